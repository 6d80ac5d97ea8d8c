//! A gem whose library is built in C and that has a program and a dependency.
//!
//! Must be clean and complete: compilers, `make` and the linker run at installation.

use crate::build::Package as _;
use crate::{Expect, Gem, Specimen};

const EXTCONF: &str = r"require 'mkmf'
have_header('string.h')
have_func('strlcpy')
create_makefile('quick_sum/quick_sum')
";

const SOURCE: &str = r#"#include <ruby.h>

static VALUE sum(VALUE self, VALUE list) {
    long total = 0;
    if (!RB_TYPE_P(list, T_ARRAY)) return Qnil;
    for (long at = 0; at < RARRAY_LEN(list); at++) total += NUM2LONG(rb_ary_entry(list, at));
    return LONG2NUM(total);
}

void Init_quick_sum(void) {
    VALUE module = rb_define_module("QuickSum");
    rb_define_singleton_method(module, "sum", sum, 1);
}
"#;

const LIBRARY: &str = r"require 'plain_words'
require 'quick_sum/quick_sum'

module QuickSum
  def self.describe(list)
    PlainWords.join(['sum', sum(Array(list)).to_s])
  end
end
";

const PROGRAM: &str = r"#!/usr/bin/env ruby
require 'quick_sum'
puts QuickSum.describe(ARGV.map(&:to_i))
";

pub(super) fn specimen() -> Specimen {
    let package = Gem::new("quick_sum", "2.0.1")
        .extension("ext/quick_sum/extconf.rb", EXTCONF)
        .file("ext/quick_sum/quick_sum.c", SOURCE)
        .file("lib/quick_sum.rb", LIBRARY)
        .executable("quick-sum", PROGRAM)
        .depends("plain_words", ">= 1.0");
    let words = Gem::new("plain_words", "1.3.0").file(
        "lib/plain_words.rb",
        "module PlainWords\n  def self.join(words) = words.join(' ')\nend\n",
    );
    package
        .specimen("gem-native", Expect::clean())
        .serving(&words)
}
