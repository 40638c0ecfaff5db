#pragma once
// A parsed template: statements and expressions as one tree. Trees are bounded in height
// (parser.h), so walking and freeing them recurses safely. Immutable after parsing; any thread.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/template/value.h"

namespace freehold::model::jinja {

enum class NodeKind : uint8_t {
  // Expressions.
  kConstant,   // constant
  kName,       // text
  kList,       // children
  kTuple,      // children
  kDict,       // children: key, value, key, value …
  kAttribute,  // children[0] . text
  kItem,       // children[0] [ children[1] ]
  kSlice,      // children: start, stop, step, each maybe null
  kCall,       // children[0] ( children[1]…, named… )
  kFilter,    // children[0] | text ( children[1]…, named… ); children[0] null in a filter block
  kTest,      // children[0] is text ( children[1]… )
  kNot,       // children[0]
  kNegative,  // children[0]
  kPositive,  // children[0]
  kAnd,       // children[0], children[1]
  kOr,        // children[0], children[1]
  kBinary,    // children[0] text children[1]
  kConcat,    // children, with ~
  kCompare,   // children[0] operators[0] children[1] operators[1] children[2] …
  kConditional,  // children: condition, then, else (maybe null)
  // Statements.
  kData,         // text
  kPrint,        // children[0]
  kIf,           // children: condition, body, condition, body …, [else body]
  kFor,          // children: target, iterable, condition (maybe null), body, else (maybe null)
  kSet,          // children: target, value
  kSetBlock,     // children: target, body, filter (maybe null)
  kMacro,        // text; names: parameters; children: body, defaults (maybe null) …
  kFilterBlock,  // children: filter, body
  kWith,         // children: target, value, …, body
  kScope,        // children[0]: a body with names of its own
  kBreak,
  kContinue,
  kBody  // children
};

struct Node;
using NodePointer = std::unique_ptr<Node>;

struct Node {
  NodeKind kind;
  uint32_t line = 0;
  uint32_t height = 1;
  std::string text;
  Value constant;
  std::vector<NodePointer> children;
  std::vector<std::pair<std::string, NodePointer>> named;
  std::vector<std::string> names;  // operators of kCompare, parameters of kMacro
};

}  // namespace freehold::model::jinja
