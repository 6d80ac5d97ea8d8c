package empty;

import javax.annotation.processing.AbstractProcessor;
import javax.annotation.processing.RoundEnvironment;
import javax.annotation.processing.SupportedAnnotationTypes;
import javax.lang.model.element.TypeElement;
import java.util.Set;

/** Everything a Java archive can be at once, and does nothing. */
@SupportedAnnotationTypes("*")
public final class Empty extends AbstractProcessor {
    public static void main(String[] args) {}

    public static void premain(String args) {}

    public static void agentmain(String args) {}

    public static void nothing() {}

    @Override
    public boolean process(Set<? extends TypeElement> annotations, RoundEnvironment round) {
        return false;
    }
}
