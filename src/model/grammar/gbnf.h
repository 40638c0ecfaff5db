#pragma once
// GBNF, the grammar notation of llama.cpp's tools, to a Grammar. The rule `root` is the start.
//
//   name ::= alternatives             a rule; it goes on over lines inside ( ) and behind | and ::=
//   "text" [a-z0-9] [^"\\] .          bytes of a text; one code point of a set, not of it, any
//   ( ) | * + ? {3} {2,} {2,5}        groups and repetition of what stands before
//   \n \r \t \\ \" \[ \] \- \^ \x41 \u00e9 \U0001F600    in texts and sets
//   <|mark|>                          a control token by its text, or that text
//   # to the end of the line          a comment
//
// Not a grammar for several files: no imports. Pure.

#include <string_view>

#include "base/result.h"
#include "model/grammar/grammar.h"

namespace freehold::model {

/// kDamaged with line and column for what is not GBNF or not UTF-8; otherwise as
/// GrammarBuilder::build(). At most 1 MiB.
Result<Grammar> parse_gbnf(std::string_view source);

}  // namespace freehold::model
