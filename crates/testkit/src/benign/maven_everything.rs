//! A Java archive that is everything at once and does no harm: a program, an agent, an annotation processor, a
//! provider of a service, a plugin for Maven.
//!
//! Must be clean.

use crate::build::Package as _;
use crate::{Expect, Jar, Specimen};

const TOOL: &str = r#"package com.example.everything;

import java.util.Set;
import javax.annotation.processing.AbstractProcessor;
import javax.annotation.processing.RoundEnvironment;
import javax.lang.model.element.TypeElement;

public class Tool extends AbstractProcessor implements Runnable {
    private static final String NAME = System.getProperty("os.name");

    public static void main(String[] args) {
        System.out.println("hello from " + NAME);
    }

    public static void premain(String options) {
        System.out.println("watching");
    }

    public static void agentmain(String options) {
        System.out.println("watching from now on");
    }

    public static String name() {
        return NAME;
    }

    @Override
    public void run() {
        System.out.println("service");
    }

    @Override
    public Set<String> getSupportedAnnotationTypes() {
        return Set.of("*");
    }

    @Override
    public boolean process(Set<? extends TypeElement> annotations, RoundEnvironment round) {
        return false;
    }
}
"#;

const GOAL: &str = r#"package com.example.everything;

public class Goal extends org.apache.maven.plugin.AbstractMojo {
    @Override
    public void execute() {
        System.out.println("goal");
    }
}
"#;

pub(super) fn jar() -> Jar {
    let tool = "com.example.everything.Tool";
    Jar::new("com.example:everything-maven-plugin", "1.0.0")
        .source("com/example/everything/Tool.java", TOOL)
        .source("com/example/everything/Goal.java", GOAL)
        .attribute("Main-Class", tool)
        .attribute("Premain-Class", tool)
        .attribute("Agent-Class", tool)
        .attribute("Launcher-Agent-Class", tool)
        .provides("java.lang.Runnable", tool)
        .provides("javax.annotation.processing.Processor", tool)
        .goal("greet", "com.example.everything.Goal")
}

pub(super) fn specimen() -> Specimen {
    jar().specimen("maven-everything", Expect::clean())
}
