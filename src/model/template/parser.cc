#include "model/template/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>

#include "base/text.h"
#include "model/template/lexer.h"

namespace freehold::model::jinja {
namespace {

constexpr uint32_t kHeightMax = 200;  // a chain of 200 operators or filters

using Ends = std::initializer_list<std::string_view>;
enum class Conditional { kAllowed, kNotHere };

/// Counts levels of nesting while it lives.
class Level {
 public:
  explicit Level(uint32_t& depth) : depth_(depth) { ++depth_; }
  ~Level() { --depth_; }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;

 private:
  uint32_t& depth_;
};

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Result<NodePointer> run() {
    NodePointer body = TRY(parse_body({}));
    if (peek().kind != TokenKind::kEnd) return unexpected();
    return body;
  }

 private:
  const Token& peek(size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  const Token& take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool is_operator(std::string_view text, size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::kOperator && peek(ahead).text == text;
  }
  bool is_name(std::string_view text, size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::kName && peek(ahead).text == text;
  }
  bool take_operator(std::string_view text) {
    if (!is_operator(text)) return false;
    take();
    return true;
  }
  bool take_name(std::string_view text) {
    if (!is_name(text)) return false;
    take();
    return true;
  }

  Error error_here(std::string_view what) const {
    return syntax_error(peek().line, peek().column, what);
  }
  Error unexpected() const {
    const Token& token = peek();
    switch (token.kind) {
      case TokenKind::kEnd:
        return error_here("unexpected end of the template");
      case TokenKind::kPrintEnd:
        return error_here("unexpected '}}'");
      case TokenKind::kBlockEnd:
        return error_here("unexpected '%}'");
      case TokenKind::kBlockBegin:
        return error_here(fmt::format("unexpected tag '{}'", peek(1).text));
      default:
        return error_here(fmt::format("unexpected '{}'", token.text.substr(0, 40)));
    }
  }
  Error too_deep() const {
    return refused(
        fmt::format("line {}: it nests deeper than {} levels", peek().line, kNestingMax));
  }
  Status expect_operator(std::string_view text) {
    if (take_operator(text)) return {};
    return error_here(fmt::format("expected '{}'", text));
  }
  Result<std::string> expect_name() {
    if (peek().kind != TokenKind::kName) return error_here("expected a name");
    return take().text;
  }
  Status expect_block_end() {
    if (peek().kind != TokenKind::kBlockEnd) return unexpected();
    take();
    return {};
  }

  NodePointer make(NodeKind kind) const {
    auto node = std::make_unique<Node>();
    node->kind = kind;
    node->line = peek().line;
    return node;
  }
  /// Appends a child (maybe null) and minds the height.
  Status adopt(Node& parent, Result<NodePointer> parsed) {
    NodePointer child = TRY(std::move(parsed));
    if (child != nullptr) {
      parent.height = std::max(parent.height, child->height + 1);
      if (parent.height > kHeightMax) {
        return refused(
            fmt::format("line {}: an expression of more than {} steps", parent.line, kHeightMax));
      }
    }
    parent.children.push_back(std::move(child));
    return {};
  }
  Status adopt_named(Node& parent, std::string name, Result<NodePointer> parsed) {
    NodePointer child = TRY(std::move(parsed));
    parent.height = std::max(parent.height, child->height + 1);
    parent.named.emplace_back(std::move(name), std::move(child));
    return {};
  }

  // Statements.

  /// Up to a tag named one of `ends`, which stays, its {% taken; or to the end of the template.
  Result<NodePointer> parse_body(Ends ends) {
    const Level level(depth_);
    if (depth_ > kNestingMax) return too_deep();
    NodePointer body = make(NodeKind::kBody);
    for (;;) {
      const Token& token = peek();
      if (token.kind == TokenKind::kEnd) {
        if (ends.size() != 0) {
          return error_here(fmt::format("the template ends before '{}'", *(ends.end() - 1)));
        }
        return body;
      }
      if (token.kind == TokenKind::kData) {
        NodePointer data = make(NodeKind::kData);
        data->text = take().text;
        TRY(adopt(*body, std::move(data)));
      } else if (token.kind == TokenKind::kPrintBegin) {
        NodePointer print = make(NodeKind::kPrint);
        take();
        TRY(adopt(*print, parse_tuple(Conditional::kAllowed)));
        if (peek().kind != TokenKind::kPrintEnd) return unexpected();
        take();
        TRY(adopt(*body, std::move(print)));
      } else {
        const std::string& tag = peek(1).text;
        if (peek(1).kind == TokenKind::kName &&
            std::find(ends.begin(), ends.end(), tag) != ends.end()) {
          take();
          return body;
        }
        if (peek(1).kind != TokenKind::kName) return unexpected();
        take();
        TRY(adopt(*body, parse_statement()));
      }
    }
  }

  /// A body between %} and a tag named `end`, both taken.
  Result<NodePointer> parse_body_until(std::string_view end) {
    TRY(expect_block_end());
    NodePointer body = TRY(parse_body({end}));
    take();
    TRY(expect_block_end());
    return body;
  }

  Result<NodePointer> parse_statement() {
    const std::string tag = peek().text;
    if (tag == "if") return parse_if();
    if (tag == "for") return parse_for();
    if (tag == "set") return parse_set();
    if (tag == "macro") return parse_macro();
    if (tag == "filter") return parse_filter_block();
    if (tag == "with") return parse_with();
    if (tag == "generation") {
      NodePointer scope = make(NodeKind::kScope);
      take();
      TRY(adopt(*scope, parse_body_until("endgeneration")));
      return scope;
    }
    if (tag == "break" || tag == "continue") {
      if (loops_ == 0) return error_here(fmt::format("'{}' outside a loop", tag));
      NodePointer jump = make(tag == "break" ? NodeKind::kBreak : NodeKind::kContinue);
      take();
      TRY(expect_block_end());
      return jump;
    }
    for (const char* forbidden :
         {"import", "from", "include", "extends", "block", "call", "do", "autoescape", "trans"}) {
      if (tag == forbidden) {
        return refused(
            fmt::format("line {}: the statement '{}' is not for chat templates", peek().line, tag));
      }
    }
    return error_here(fmt::format("unknown tag '{}'", tag));
  }

  Result<NodePointer> parse_if() {
    NodePointer node = make(NodeKind::kIf);
    for (;;) {
      take();  // if, elif
      TRY(adopt(*node, parse_tuple(Conditional::kNotHere)));
      TRY(expect_block_end());
      TRY(adopt(*node, parse_body({"elif", "else", "endif"})));
      if (is_name("elif")) continue;
      if (take_name("else")) {
        TRY(adopt(*node, parse_body_until("endif")));
        return node;
      }
      take();  // endif
      TRY(expect_block_end());
      return node;
    }
  }

  Result<NodePointer> parse_for() {
    NodePointer node = make(NodeKind::kFor);
    take();
    TRY(adopt(*node, parse_target()));
    if (!take_name("in")) return error_here("expected 'in'");
    TRY(adopt(*node, parse_tuple(Conditional::kNotHere)));
    NodePointer condition;
    if (take_name("if")) condition = TRY(parse_expression());
    TRY(adopt(*node, std::move(condition)));
    if (is_name("recursive")) {
      return refused(
          fmt::format("line {}: recursive loops are not for chat templates", peek().line));
    }
    TRY(expect_block_end());
    ++loops_;
    NodePointer body = TRY(parse_body({"else", "endfor"}));
    --loops_;
    TRY(adopt(*node, std::move(body)));
    NodePointer otherwise;
    if (take_name("else")) {
      TRY(expect_block_end());
      otherwise = TRY(parse_body({"endfor"}));
    }
    take();
    TRY(expect_block_end());
    TRY(adopt(*node, std::move(otherwise)));
    return node;
  }

  /// A name, names with commas, maybe in parentheses.
  Result<NodePointer> parse_target() {
    const Level level(depth_);
    if (depth_ > kNestingMax) return too_deep();
    NodePointer tuple = make(NodeKind::kTuple);
    bool comma = false;
    do {
      if (comma && peek().kind != TokenKind::kName && !is_operator("(")) break;
      if (take_operator("(")) {
        TRY(adopt(*tuple, parse_target()));
        TRY(expect_operator(")"));
      } else {
        NodePointer name = make(NodeKind::kName);
        name->text = TRY(expect_name());
        TRY(adopt(*tuple, std::move(name)));
      }
    } while (take_operator(",") && (comma = true));
    if (!comma) {
      NodePointer only = std::move(tuple->children[0]);
      return only;
    }
    return tuple;
  }

  Result<NodePointer> parse_set() {
    NodePointer node = make(NodeKind::kSet);
    take();
    NodePointer target;
    if (peek().kind == TokenKind::kName && is_operator(".", 1)) {
      target = make(NodeKind::kAttribute);
      NodePointer name = make(NodeKind::kName);
      name->text = take().text;
      take();
      target->text = TRY(attribute_name());
      TRY(adopt(*target, std::move(name)));
    } else {
      target = TRY(parse_target());
    }
    TRY(adopt(*node, std::move(target)));
    if (take_operator("=")) {
      TRY(adopt(*node, parse_tuple(Conditional::kAllowed)));
      TRY(expect_block_end());
      return node;
    }
    node->kind = NodeKind::kSetBlock;
    NodePointer filter;
    if (is_operator("|")) filter = TRY(parse_filters(nullptr));
    TRY(adopt(*node, parse_body_until("endset")));
    TRY(adopt(*node, std::move(filter)));
    return node;
  }

  Result<NodePointer> parse_macro() {
    NodePointer node = make(NodeKind::kMacro);
    take();
    node->text = TRY(expect_name());
    TRY(expect_operator("("));
    std::vector<NodePointer> defaults;
    while (!take_operator(")")) {
      if (!node->names.empty()) TRY(expect_operator(","));
      if (take_operator(")")) break;
      node->names.push_back(TRY(expect_name()));
      NodePointer value;
      if (take_operator("=")) value = TRY(parse_expression());
      if (value == nullptr && !defaults.empty() && defaults.back() != nullptr) {
        return error_here("a parameter without a default follows one with");
      }
      defaults.push_back(std::move(value));
    }
    const int loops = std::exchange(loops_, 0);
    TRY(adopt(*node, parse_body_until("endmacro")));
    loops_ = loops;
    for (NodePointer& value : defaults) TRY(adopt(*node, std::move(value)));
    return node;
  }

  Result<NodePointer> parse_filter_block() {
    NodePointer node = make(NodeKind::kFilterBlock);
    take();
    TRY(adopt(*node, parse_filters(nullptr, true)));
    TRY(adopt(*node, parse_body_until("endfilter")));
    return node;
  }

  Result<NodePointer> parse_with() {
    NodePointer node = make(NodeKind::kWith);
    take();
    while (peek().kind != TokenKind::kBlockEnd) {
      if (!node->children.empty()) TRY(expect_operator(","));
      TRY(adopt(*node, parse_target()));
      TRY(expect_operator("="));
      TRY(adopt(*node, parse_expression()));
    }
    TRY(adopt(*node, parse_body_until("endwith")));
    return node;
  }

  // Expressions.

  /// An expression, or several with commas as a tuple.
  Result<NodePointer> parse_tuple(Conditional conditional) {
    NodePointer first = TRY(conditional == Conditional::kAllowed ? parse_expression() : parse_or());
    if (!is_operator(",")) return first;
    NodePointer tuple = make(NodeKind::kTuple);
    TRY(adopt(*tuple, std::move(first)));
    while (take_operator(",")) {
      const TokenKind kind = peek().kind;
      if (kind == TokenKind::kPrintEnd || kind == TokenKind::kBlockEnd || is_operator(")")) break;
      TRY(adopt(*tuple, conditional == Conditional::kAllowed ? parse_expression() : parse_or()));
    }
    return tuple;
  }

  Result<NodePointer> parse_expression() {
    const Level level(depth_);
    if (depth_ > kNestingMax) return too_deep();
    NodePointer value = TRY(parse_or());
    while (is_name("if")) {
      NodePointer node = make(NodeKind::kConditional);
      take();
      TRY(adopt(*node, parse_or()));
      TRY(adopt(*node, std::move(value)));
      NodePointer otherwise;
      if (take_name("else")) otherwise = TRY(parse_expression());
      TRY(adopt(*node, std::move(otherwise)));
      value = std::move(node);
    }
    return value;
  }

  using Rule = Result<NodePointer> (Parser::*)();

  /// left (name right)*, to the left.
  Result<NodePointer> parse_logical(const char* name, NodeKind kind, Rule operand) {
    NodePointer left = TRY((this->*operand)());
    while (is_name(name)) {
      NodePointer node = make(kind);
      take();
      TRY(adopt(*node, std::move(left)));
      TRY(adopt(*node, (this->*operand)()));
      left = std::move(node);
    }
    return left;
  }
  Result<NodePointer> parse_or() { return parse_logical("or", NodeKind::kOr, &Parser::parse_and); }
  Result<NodePointer> parse_and() {
    return parse_logical("and", NodeKind::kAnd, &Parser::parse_not);
  }
  Result<NodePointer> parse_not() {
    if (!is_name("not")) return parse_compare();
    const Level level(depth_);
    if (depth_ > kNestingMax) return too_deep();
    NodePointer node = make(NodeKind::kNot);
    take();
    TRY(adopt(*node, parse_not()));
    return node;
  }

  Result<NodePointer> parse_compare() {
    NodePointer left = TRY(parse_sum());
    NodePointer node;
    for (;;) {
      std::string op;
      for (const char* symbol : {"==", "!=", "<", "<=", ">", ">="}) {
        if (is_operator(symbol)) op = symbol;
      }
      if (op.empty() && is_name("in")) op = "in";
      if (op.empty() && is_name("not") && is_name("in", 1)) op = "not in";
      if (op.empty()) break;
      if (node == nullptr) {
        node = make(NodeKind::kCompare);
        TRY(adopt(*node, std::move(left)));
      }
      take();
      if (op == "not in") take();
      node->names.push_back(op);
      TRY(adopt(*node, parse_sum()));
    }
    return node != nullptr ? std::move(node) : std::move(left);
  }

  Result<NodePointer> parse_binary(Ends operators, Rule operand) {
    NodePointer left = TRY((this->*operand)());
    for (;;) {
      if (peek().kind != TokenKind::kOperator ||
          std::find(operators.begin(), operators.end(), peek().text) == operators.end()) {
        return left;
      }
      NodePointer node = make(NodeKind::kBinary);
      node->text = take().text;
      TRY(adopt(*node, std::move(left)));
      TRY(adopt(*node, (this->*operand)()));
      left = std::move(node);
    }
  }
  Result<NodePointer> parse_sum() { return parse_binary({"+", "-"}, &Parser::parse_concat); }
  Result<NodePointer> parse_concat() {
    NodePointer first = TRY(parse_product());
    if (!is_operator("~")) return first;
    NodePointer node = make(NodeKind::kConcat);
    TRY(adopt(*node, std::move(first)));
    while (take_operator("~")) TRY(adopt(*node, parse_product()));
    return node;
  }
  Result<NodePointer> parse_product() {
    return parse_binary({"*", "/", "//", "%"}, &Parser::parse_power);
  }
  Result<NodePointer> parse_power() { return parse_binary({"**"}, &Parser::parse_unary_filtered); }
  Result<NodePointer> parse_unary_filtered() { return parse_unary(true); }

  Result<NodePointer> parse_unary(bool filters) {
    const Level level(depth_);
    if (depth_ > kNestingMax) return too_deep();
    NodePointer node;
    if (is_operator("-") || is_operator("+")) {
      node = make(is_operator("-") ? NodeKind::kNegative : NodeKind::kPositive);
      take();
      TRY(adopt(*node, parse_unary(false)));
    } else {
      node = TRY(parse_primary());
    }
    node = TRY(parse_postfix(std::move(node)));
    if (filters) node = TRY(parse_filter_expression(std::move(node)));
    return node;
  }

  Result<NodePointer> parse_primary() {
    const Token& token = peek();
    switch (token.kind) {
      case TokenKind::kName:
        return parse_name();
      case TokenKind::kString: {
        NodePointer node = make(NodeKind::kConstant);
        std::string text;
        while (peek().kind == TokenKind::kString) text += take().text;
        node->constant = Value::string(std::move(text));
        return node;
      }
      case TokenKind::kInteger:
      case TokenKind::kFloat:
        return parse_number();
      case TokenKind::kOperator:
        if (token.text == "(") return parse_parentheses();
        if (token.text == "[") return parse_list();
        if (token.text == "{") return parse_dict();
        return unexpected();
      default:
        return unexpected();
    }
  }

  Result<NodePointer> parse_name() {
    NodePointer node = make(NodeKind::kConstant);
    const std::string name = take().text;
    if (name == "true" || name == "True") {
      node->constant = Value::boolean(true);
    } else if (name == "false" || name == "False") {
      node->constant = Value::boolean(false);
    } else if (name == "none" || name == "None") {
      node->constant = Value::none();
    } else {
      node->kind = NodeKind::kName;
      node->text = name;
    }
    return node;
  }

  Result<NodePointer> parse_number() {
    NodePointer node = make(NodeKind::kConstant);
    if (peek().kind == TokenKind::kFloat) {
      const auto number = base::parse_number(peek().text);
      if (!number.ok()) return error_here("a number out of range");
      node->constant = Value::number_of(*number);
    } else {
      const auto number = base::parse_integer(peek().text);
      if (!number.ok()) return error_here("a number out of range");
      node->constant = Value::number(*number);
    }
    take();
    return node;
  }

  Result<NodePointer> parse_parentheses() {
    NodePointer tuple = make(NodeKind::kTuple);
    take();
    if (take_operator(")")) return tuple;
    NodePointer node = TRY(parse_tuple(Conditional::kAllowed));
    TRY(expect_operator(")"));
    return node;
  }

  Result<NodePointer> parse_list() {
    NodePointer node = make(NodeKind::kList);
    take();
    while (!take_operator("]")) {
      if (!node->children.empty()) TRY(expect_operator(","));
      if (take_operator("]")) break;
      TRY(adopt(*node, parse_expression()));
    }
    return node;
  }

  Result<NodePointer> parse_dict() {
    NodePointer node = make(NodeKind::kDict);
    take();
    while (!take_operator("}")) {
      if (!node->children.empty()) TRY(expect_operator(","));
      if (take_operator("}")) break;
      TRY(adopt(*node, parse_expression()));
      TRY(expect_operator(":"));
      TRY(adopt(*node, parse_expression()));
    }
    return node;
  }

  Result<std::string> attribute_name() {
    std::string name = TRY(expect_name());
    if (name.substr(0, 2) == "__") {
      return refused(
          fmt::format("line {}: the attribute '{}' is out of bounds", peek().line, name));
    }
    return name;
  }

  Result<NodePointer> parse_postfix(NodePointer node) {
    for (;;) {
      if (is_operator(".")) {
        NodePointer outer = make(NodeKind::kAttribute);
        take();
        if (peek().kind == TokenKind::kInteger) {
          outer->kind = NodeKind::kItem;
          TRY(adopt(*outer, std::move(node)));
          TRY(adopt(*outer, parse_number()));
        } else {
          outer->text = TRY(attribute_name());
          TRY(adopt(*outer, std::move(node)));
        }
        node = std::move(outer);
      } else if (is_operator("[")) {
        NodePointer outer = make(NodeKind::kItem);
        take();
        TRY(adopt(*outer, std::move(node)));
        TRY(adopt(*outer, parse_subscript()));
        TRY(expect_operator("]"));
        node = std::move(outer);
      } else if (is_operator("(")) {
        node = TRY(parse_call(std::move(node)));
      } else {
        return node;
      }
    }
  }

  /// What is between [ and ]: an expression or a slice.
  Result<NodePointer> parse_subscript() {
    const auto ends = [this] { return is_operator(":") || is_operator("]"); };
    NodePointer start;
    if (!ends()) start = TRY(parse_expression());
    if (!is_operator(":")) {
      if (start == nullptr) return unexpected();
      return start;
    }
    NodePointer slice = make(NodeKind::kSlice);
    TRY(adopt(*slice, std::move(start)));
    for (int part = 0; part < 2; ++part) {
      NodePointer bound;
      if (take_operator(":") && !ends()) bound = TRY(parse_expression());
      TRY(adopt(*slice, std::move(bound)));
    }
    return slice;
  }

  Result<NodePointer> parse_call(NodePointer callee) {
    NodePointer node = make(NodeKind::kCall);
    TRY(adopt(*node, std::move(callee)));
    TRY(parse_arguments(*node));
    return node;
  }

  Status parse_arguments(Node& node) {
    take();  // (
    bool first = true;
    while (!take_operator(")")) {
      if (!first) TRY(expect_operator(","));
      if (take_operator(")")) break;
      first = false;
      if (is_operator("*") || is_operator("**")) {
        return refused(
            fmt::format("line {}: '*' arguments are not for chat templates", peek().line));
      }
      if (peek().kind == TokenKind::kName && is_operator("=", 1)) {
        std::string name = take().text;
        take();
        TRY(adopt_named(node, std::move(name), parse_expression()));
      } else {
        if (!node.named.empty()) return error_here("a positional argument follows a named one");
        TRY(adopt(node, parse_expression()));
      }
    }
    return {};
  }

  Result<NodePointer> parse_filter_expression(NodePointer node) {
    for (;;) {
      if (is_operator("|")) {
        node = TRY(parse_filters(std::move(node)));
      } else if (is_name("is")) {
        node = TRY(parse_test(std::move(node)));
      } else if (is_operator("(")) {
        node = TRY(parse_call(std::move(node)));
      } else {
        return node;
      }
    }
  }

  Result<std::string> dotted_name() {
    std::string name = TRY(expect_name());
    while (take_operator(".")) {
      name += '.';
      name += TRY(expect_name());
    }
    return name;
  }

  /// | filter | filter …; at a filter block the first has no |.
  Result<NodePointer> parse_filters(NodePointer node, bool inside = false) {
    while (is_operator("|") || inside) {
      NodePointer outer = make(NodeKind::kFilter);
      if (!inside) take();
      inside = false;
      outer->text = TRY(dotted_name());
      TRY(adopt(*outer, std::move(node)));
      if (is_operator("(")) TRY(parse_arguments(*outer));
      node = std::move(outer);
    }
    return node;
  }

  Result<NodePointer> parse_test(NodePointer node) {
    take();  // is
    const bool negated = take_name("not");
    NodePointer test = make(NodeKind::kTest);
    test->text = TRY(dotted_name());
    TRY(adopt(*test, std::move(node)));
    const TokenKind kind = peek().kind;
    const bool bracket = is_operator("[") || is_operator("{");
    const bool value = kind == TokenKind::kName || kind == TokenKind::kString ||
                       kind == TokenKind::kInteger || kind == TokenKind::kFloat || bracket;
    if (is_operator("(")) {
      TRY(parse_arguments(*test));
    } else if (value && !is_name("else") && !is_name("or") && !is_name("and") && !is_name("is") &&
               !is_name("if") && !is_name("not") && !is_name("in") && !is_name("recursive")) {
      NodePointer argument = TRY(parse_primary());
      TRY(adopt(*test, parse_postfix(std::move(argument))));
    }
    if (!negated) return test;
    NodePointer inverse = make(NodeKind::kNot);
    TRY(adopt(*inverse, std::move(test)));
    return inverse;
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
  uint32_t depth_ = 0;
  int loops_ = 0;
};

}  // namespace

Result<NodePointer> parse_template(std::string_view source) {
  constexpr size_t kSourceMax = 4u << 20;  // the largest template in use has 30 KiB
  if (source.size() > kSourceMax) {
    return refused(fmt::format("{} bytes, more than {}", source.size(), kSourceMax));
  }
  std::vector<Token> tokens = TRY(tokenize(source));
  return Parser(std::move(tokens)).run();
}

}  // namespace freehold::model::jinja
