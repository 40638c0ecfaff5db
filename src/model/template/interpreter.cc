#include "model/template/interpreter.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "model/template/runtime.h"

namespace freehold::model::jinja {
namespace {

/// Names of one block. Loops, macros and set-blocks have their own; `if` has not.
struct Scope {
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<std::string, Value>> names;

  Value* find_here(const std::string& name) {
    for (auto& [key, value] : names) {
      if (key == name) return &value;
    }
    return nullptr;
  }
  void set(const std::string& name, Value value) {
    if (Value* found = find_here(name)) {
      *found = std::move(value);
    } else {
      names.emplace_back(name, std::move(value));
    }
  }
};

struct NamespaceObject : Object {
  mutable std::vector<std::pair<std::string, Value>> attributes;
};
struct MacroObject : Object {
  const Node* node = nullptr;
  std::weak_ptr<Scope> scope;
};
struct LoopObject : Object {
  const Values* items = nullptr;  // owned by the loop that runs
  size_t index = 0;
  bool over = false;
  mutable std::optional<Value> changed;
};

/// How a body ended.
enum class Flow { kNext, kBreak, kContinue };

class Interpreter {
 public:
  explicit Interpreter(const Context& context) : context_(context) {
    globals_ = std::make_shared<Scope>();
    for (const char* name : {"range", "dict", "namespace", "raise_exception"}) {
      globals_->set(name, make_function(name));
    }
    if (context.now.has_value()) globals_->set("strftime_now", make_function("strftime_now"));
    for (const auto& [name, value] : context.variables) globals_->set(name, value);
    scope_ = std::make_shared<Scope>();
    scope_->parent = globals_;
  }
  ~Interpreter() {
    // A namespace may hold itself; nothing outlives the run.
    for (const auto& held : namespaces_) held->attributes.clear();
  }
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  Result<std::string> run(const Node& body) {
    TRY(execute(body));
    return std::move(out_);
  }

 private:
  /// One evaluation inside another, while it lives.
  class Depth {
   public:
    explicit Depth(Budget& budget) : budget_(budget), status_(budget.enter()) {}
    ~Depth() { budget_.leave(); }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    Status take() { return std::move(status_); }

   private:
    Budget& budget_;
    Status status_;
  };
  /// A scope of its own, while it lives.
  class Inner {
   public:
    explicit Inner(Interpreter& run, std::shared_ptr<Scope> parent)
        : run_(run), outer_(run.scope_) {
      run_.scope_ = std::make_shared<Scope>();
      run_.scope_->parent = std::move(parent);
    }
    explicit Inner(Interpreter& run) : Inner(run, run.scope_) {}
    ~Inner() { run_.scope_ = std::move(outer_); }
    Inner(const Inner&) = delete;
    Inner& operator=(const Inner&) = delete;

   private:
    Interpreter& run_;
    std::shared_ptr<Scope> outer_;
  };

  Status write(std::string_view text) {
    TRY(budget_.text(text.size()));
    if (out_.size() + text.size() > Budget::kTextMax) {
      return refused("an output of more than 8 MiB");
    }
    out_.append(text);
    return {};
  }

  Status print(Result<Value> evaluated) {
    const Value value = TRY(std::move(evaluated));
    const std::string text = TRY(text_of(budget_, value));
    return write(text);
  }

  // Statements.

  Result<Flow> execute(const Node& node) {
    TRY(budget_.step());
    Depth depth(budget_);
    TRY(depth.take());
    switch (node.kind) {
      case NodeKind::kBody:
        for (const NodePointer& child : node.children) {
          const Flow flow = TRY(execute(*child));
          if (flow != Flow::kNext) return flow;
        }
        return Flow::kNext;
      case NodeKind::kData:
        TRY(write(node.text));
        return Flow::kNext;
      case NodeKind::kPrint:
        TRY(print(evaluate(*node.children[0])));
        return Flow::kNext;
      case NodeKind::kIf:
        return execute_if(node);
      case NodeKind::kFor:
        return execute_for(node);
      case NodeKind::kBreak:
        return Flow::kBreak;
      case NodeKind::kContinue:
        return Flow::kContinue;
      case NodeKind::kScope: {
        const Inner inner(*this);
        return execute(*node.children[0]);
      }
      case NodeKind::kWith:
        return execute_with(node);
      default:
        return execute_definition(node);
    }
  }

  Result<Flow> execute_if(const Node& node) {
    for (size_t i = 0; i + 1 < node.children.size(); i += 2) {
      if (truth(TRY(evaluate(*node.children[i])))) return execute(*node.children[i + 1]);
    }
    if (node.children.size() % 2 == 1) return execute(*node.children.back());
    return Flow::kNext;
  }

  /// Statements that make a name and never jump.
  Result<Flow> execute_definition(const Node& node) {
    switch (node.kind) {
      case NodeKind::kSet:
        TRY(assign(*node.children[0], evaluate(*node.children[1])));
        break;
      case NodeKind::kSetBlock: {
        Value text = TRY(capture(*node.children[1]));
        if (node.children[2] != nullptr) text = TRY(filter(*node.children[2], &text));
        TRY(assign(*node.children[0], std::move(text)));
        break;
      }
      case NodeKind::kMacro: {
        auto macro = std::make_shared<MacroObject>();
        macro->node = &node;
        macro->scope = scope_;
        Value value;
        value.kind = Kind::kMacro;
        value.object = std::move(macro);
        scope_->set(node.text, std::move(value));
        break;
      }
      case NodeKind::kFilterBlock: {
        const Value text = TRY(capture(*node.children[1]));
        TRY(print(filter(*node.children[0], &text)));
        break;
      }
      default:
        return failed("an expression where a statement should be");
    }
    return Flow::kNext;
  }

  Result<Flow> execute_with(const Node& node) {
    std::vector<Value> values;  // all of the outer names
    for (size_t i = 0; i + 2 < node.children.size(); i += 2) {
      values.push_back(TRY(evaluate(*node.children[i + 1])));
    }
    const Inner inner(*this);
    for (size_t i = 0; i < values.size(); ++i) {
      TRY(assign(*node.children[2 * i], std::move(values[i])));
    }
    return execute(*node.children.back());
  }

  /// What a body writes, as a string.
  Result<Value> capture(const Node& body) {
    const Inner inner(*this);
    std::string outer = std::exchange(out_, {});
    auto flow = execute(body);
    std::string text = std::exchange(out_, std::move(outer));
    if (!flow.ok()) return std::move(flow).error();
    return make_text(budget_, std::move(text));
  }

  Status assign(const Node& target, Result<Value> evaluated) {
    Value value = TRY(std::move(evaluated));
    if (target.kind == NodeKind::kName) {
      scope_->set(target.text, std::move(value));
      return {};
    }
    if (target.kind == NodeKind::kAttribute) {
      const Value holder = lookup(target.children[0]->text);
      if (!holder.is(Kind::kNamespace)) {
        return failed("cannot assign attribute on non-namespace object");
      }
      const auto& space = static_cast<const NamespaceObject&>(*holder.object);
      set_attribute(space, target.text, std::move(value));
      return {};
    }
    const Values parts = TRY(iterate(budget_, value));
    if (parts.size() != target.children.size()) {
      return failed(fmt::format("cannot unpack {} values into {} names", parts.size(),
                                target.children.size()));
    }
    for (size_t i = 0; i < parts.size(); ++i) TRY(assign(*target.children[i], parts[i]));
    return {};
  }

  static void set_attribute(const NamespaceObject& space, const std::string& name, Value value) {
    for (auto& [key, held] : space.attributes) {
      if (key == name) {
        held = std::move(value);
        return;
      }
    }
    space.attributes.emplace_back(name, std::move(value));
  }

  Result<Flow> execute_for(const Node& node) {
    const Node& target = *node.children[0];
    const Value iterable = TRY(evaluate(*node.children[1]));
    Values items = TRY(iterate(budget_, iterable));
    if (node.children[2] != nullptr) {
      Values kept;
      for (Value& item : items) {
        TRY(budget_.step());
        const Inner inner(*this);
        TRY(assign(target, item));
        if (truth(TRY(evaluate(*node.children[2])))) kept.push_back(std::move(item));
      }
      items = std::move(kept);
    }
    if (items.empty()) {
      if (node.children[4] == nullptr) return Flow::kNext;
      const Inner inner(*this);
      return execute(*node.children[4]);
    }
    auto loop = std::make_shared<LoopObject>();
    loop->items = &items;
    const auto flow = run_loop(node, items, loop);
    loop->over = true;
    return flow;
  }

  Result<Flow> run_loop(const Node& node, const Values& items,
                        const std::shared_ptr<LoopObject>& loop) {
    for (size_t i = 0; i < items.size(); ++i) {
      TRY(budget_.step());
      loop->index = i;
      const Inner inner(*this);
      Value value;
      value.kind = Kind::kLoop;
      value.object = loop;
      scope_->set("loop", std::move(value));
      TRY(assign(*node.children[0], items[i]));
      if (TRY(execute(*node.children[3])) == Flow::kBreak) break;
    }
    return Flow::kNext;
  }

  // Expressions.

  Value lookup(const std::string& name) const {
    for (Scope* scope = scope_.get(); scope != nullptr; scope = scope->parent.get()) {
      if (const Value* found = scope->find_here(name)) return *found;
    }
    return Value::undefined(name);
  }

  Result<Value> evaluate(const Node& node) {
    TRY(budget_.step());
    Depth depth(budget_);
    TRY(depth.take());
    switch (node.kind) {
      case NodeKind::kConstant:
        return node.constant;
      case NodeKind::kName:
        return lookup(node.text);
      case NodeKind::kAttribute:
        return attribute(TRY(evaluate(*node.children[0])), node.text);
      case NodeKind::kItem:
        return item(node);
      case NodeKind::kCall:
        return call(node);
      case NodeKind::kFilter:
        return filter(node, nullptr);
      case NodeKind::kTest:
        return test(node);
      case NodeKind::kBinary:
        return binary_chain(node);
      case NodeKind::kCompare:
        return comparison(node);
      case NodeKind::kConcat:
        return concatenation(node);
      case NodeKind::kList:
      case NodeKind::kTuple:
      case NodeKind::kDict:
        return collection(node);
      default:
        return logical(node);
    }
  }

  Result<Value> logical(const Node& node) {
    Value value = TRY(evaluate(*node.children[0]));
    switch (node.kind) {
      case NodeKind::kNot:
        return Value::boolean(!truth(value));
      case NodeKind::kAnd:
        return truth(value) ? evaluate(*node.children[1]) : std::move(value);
      case NodeKind::kOr:
        return truth(value) ? std::move(value) : evaluate(*node.children[1]);
      case NodeKind::kConditional:
        if (truth(value)) return evaluate(*node.children[1]);
        if (node.children[2] != nullptr) return evaluate(*node.children[2]);
        return Value::undefined("the inline if-expression");
      case NodeKind::kNegative:
        return binary(budget_, "-", Value::number(0), value);
      case NodeKind::kPositive:
        return binary(budget_, "+", Value::number(0), value);
      default:
        return failed("a statement where an expression should be");
    }
  }

  /// a + b + c … without a level for each.
  Result<Value> binary_chain(const Node& node) {
    std::vector<const Node*> spine{&node};
    while (spine.back()->children[0]->kind == NodeKind::kBinary) {
      spine.push_back(spine.back()->children[0].get());
    }
    Value value = TRY(evaluate(*spine.back()->children[0]));
    for (auto step = spine.rbegin(); step != spine.rend(); ++step) {
      const Value right = TRY(evaluate(*(*step)->children[1]));
      value = TRY(binary(budget_, (*step)->text, value, right));
    }
    return value;
  }

  Result<Value> comparison(const Node& node) {
    Value left = TRY(evaluate(*node.children[0]));
    for (size_t i = 0; i < node.names.size(); ++i) {
      Value right = TRY(evaluate(*node.children[i + 1]));
      const std::string& op = node.names[i];
      bool holds = false;
      if (op == "==" || op == "!=") {
        holds = TRY(is_equal(budget_, left, right)) == (op == "==");
      } else if (op == "in" || op == "not in") {
        holds = TRY(contains(budget_, right, left)) == (op == "in");
      } else {
        TRY(budget_.step(std::min(weight(left), weight(right)) / 256));
        const int order = TRY(compare(left, right));
        holds = op == "<"    ? order < 0
                : op == "<=" ? order <= 0
                : op == ">"  ? order > 0
                             : order >= 0;
      }
      if (!holds) return Value::boolean(false);
      left = std::move(right);
    }
    return Value::boolean(true);
  }

  Result<Value> concatenation(const Node& node) {
    std::string text;
    for (const NodePointer& child : node.children) {
      const Value part = TRY(evaluate(*child));
      text += TRY(text_of(budget_, part));
      if (text.size() > Budget::kTextMax) return refused("a text of more than 8 MiB");
    }
    return make_text(budget_, std::move(text));
  }

  Result<Value> collection(const Node& node) {
    TRY(budget_.values(node.children.size()));
    if (node.kind != NodeKind::kDict) {
      Values items;
      for (const NodePointer& child : node.children) items.push_back(TRY(evaluate(*child)));
      return make_list(std::move(items), node.kind == NodeKind::kList ? Kind::kList : Kind::kTuple);
    }
    Entries entries;
    for (size_t i = 0; i + 1 < node.children.size(); i += 2) {
      Value key = TRY(evaluate(*node.children[i]));
      Value value = TRY(evaluate(*node.children[i + 1]));
      if (key.object != nullptr && !key.is(Kind::kString)) {
        return failed(fmt::format("unhashable type: '{}'", type_name(key)));
      }
      const auto same = std::find_if(entries.begin(), entries.end(),
                                     [&](const auto& entry) { return equal(entry.first, key); });
      if (same != entries.end()) {
        same->second = std::move(value);
      } else {
        entries.emplace_back(std::move(key), std::move(value));
      }
    }
    return make_dict(std::move(entries));
  }

  Result<Value> item(const Node& node) {
    const Value value = TRY(evaluate(*node.children[0]));
    const Node& key = *node.children[1];
    if (key.kind != NodeKind::kSlice) {
      const Value index = TRY(evaluate(key));
      if (index.is(Kind::kString) && (value.is(Kind::kNamespace) || value.is(Kind::kLoop))) {
        return attribute(value, index.text());
      }
      return get_item(budget_, value, index);
    }
    Value bounds[3] = {Value::none(), Value::none(), Value::none()};
    for (size_t i = 0; i < 3; ++i) {
      if (key.children[i] != nullptr) bounds[i] = TRY(evaluate(*key.children[i]));
    }
    return get_slice(budget_, value, bounds[0], bounds[1], bounds[2]);
  }

  Result<Value> attribute(const Value& value, const std::string& name) {
    if (value.is(Kind::kNamespace)) {
      for (const auto& [key, held] :
           static_cast<const NamespaceObject&>(*value.object).attributes) {
        if (key == name) return held;
      }
      return Value::undefined(name);
    }
    if (value.is(Kind::kLoop)) return loop_attribute(value, name);
    return get_attribute(budget_, value, name);
  }

  Result<Value> loop_attribute(const Value& value, const std::string& name) {
    const auto& loop = static_cast<const LoopObject&>(*value.object);
    if (loop.over) return failed("a loop's state outlived the loop");
    const Values& items = *loop.items;
    const auto index = static_cast<int64_t>(loop.index);
    const auto length = static_cast<int64_t>(items.size());
    if (name == "index") return Value::number(index + 1);
    if (name == "index0") return Value::number(index);
    if (name == "revindex") return Value::number(length - index);
    if (name == "revindex0") return Value::number(length - index - 1);
    if (name == "first") return Value::boolean(index == 0);
    if (name == "last") return Value::boolean(index + 1 == length);
    if (name == "length") return Value::number(length);
    if (name == "depth") return Value::number(1);  // more only in recursive loops
    if (name == "depth0") return Value::number(0);
    if (name == "previtem") {
      return index > 0 ? items[loop.index - 1] : Value::undefined("there is no previous item");
    }
    if (name == "nextitem") {
      return index + 1 < length ? items[loop.index + 1] : Value::undefined("there is no next item");
    }
    if (name == "cycle" || name == "changed") return make_method(value, name);
    return Value::undefined(name);
  }

  Result<Arguments> arguments_of(const Node& node) {
    Arguments arguments;
    for (size_t i = 1; i < node.children.size(); ++i) {
      arguments.positional.push_back(TRY(evaluate(*node.children[i])));
    }
    for (const auto& [name, value] : node.named) {
      arguments.named.emplace_back(name, TRY(evaluate(*value)));
    }
    return arguments;
  }

  Result<Value> call(const Node& node) {
    const Value callee = TRY(evaluate(*node.children[0]));
    const Arguments arguments = TRY(arguments_of(node));
    switch (callee.kind) {
      case Kind::kMacro:
        return call_macro(static_cast<const MacroObject&>(*callee.object), arguments);
      case Kind::kFunction:
        if (callee.text() == "namespace") return make_namespace(arguments);
        return call_function(budget_, callee.text(), arguments, context_.now.value_or(0));
      case Kind::kMethod: {
        const auto& method = static_cast<const MethodObject&>(*callee.object);
        if (method.receiver.is(Kind::kLoop)) return call_loop(method, arguments);
        return call_method(budget_, method.receiver, method.text, arguments);
      }
      case Kind::kUndefined:
        return failed(fmt::format("'{}' is undefined", callee.text()));
      default:
        return failed(fmt::format("'{}' object is not callable", type_name(callee)));
    }
  }

  Result<Value> call_loop(const MethodObject& method, const Arguments& arguments) {
    const auto& loop = static_cast<const LoopObject&>(*method.receiver.object);
    if (method.text == "cycle") {
      if (arguments.positional.empty()) return failed("no items for cycling given");
      return arguments.positional[loop.index % arguments.positional.size()];
    }
    Value now = TRY(make_list(arguments.positional));
    const bool changed = !loop.changed.has_value() || !TRY(is_equal(budget_, *loop.changed, now));
    loop.changed = std::move(now);
    return Value::boolean(changed);
  }

  Result<Value> make_namespace(const Arguments& arguments) {
    auto space = std::make_shared<NamespaceObject>();
    for (const Value& value : arguments.positional) {
      if (!value.is(Kind::kDict)) return failed("namespace() takes names or a dict");
      for (const auto& [key, entry] : value.entries()) set_attribute(*space, key.text(), entry);
    }
    for (const auto& [name, value] : arguments.named) set_attribute(*space, name, value);
    namespaces_.push_back(space);
    Value value;
    value.kind = Kind::kNamespace;
    value.object = std::move(space);
    return value;
  }

  Result<Value> call_macro(const MacroObject& macro, const Arguments& arguments) {
    if (++macros_ > kNestingMax) return refused("macros call each other deeper than 64 levels");
    const Node& node = *macro.node;
    std::shared_ptr<Scope> home = macro.scope.lock();
    const Inner inner(*this, home != nullptr ? std::move(home) : globals_);
    TRY(bind_parameters(node, arguments));
    std::string outer = std::exchange(out_, {});
    auto flow = execute(*node.children[0]);
    std::string text = std::exchange(out_, std::move(outer));
    --macros_;
    if (!flow.ok()) return std::move(flow).error();
    return make_text(budget_, std::move(text));
  }

  Status bind_parameters(const Node& node, const Arguments& arguments) {
    for (size_t i = 0; i < node.names.size(); ++i) {
      if (const Value* given = arguments.find(i, node.names[i])) {
        scope_->set(node.names[i], *given);
      } else if (node.children[i + 1] != nullptr) {
        scope_->set(node.names[i], TRY(evaluate(*node.children[i + 1])));
      } else {
        scope_->set(node.names[i], Value::undefined(node.names[i]));
      }
    }
    Values more;
    for (size_t i = node.names.size(); i < arguments.positional.size(); ++i) {
      more.push_back(arguments.positional[i]);
    }
    scope_->set("varargs", TRY(make_list(std::move(more), Kind::kTuple)));
    Entries named;
    for (const auto& [name, value] : arguments.named) {
      if (std::find(node.names.begin(), node.names.end(), name) == node.names.end()) {
        named.emplace_back(Value::string(name), value);
      }
    }
    scope_->set("kwargs", TRY(make_dict(std::move(named))));
    return {};
  }

  // Filters and tests. Those that take the name of another one are here.

  Result<Value> filter(const Node& node, const Value* piped) {
    // A chain of filters, from the innermost out.
    std::vector<const Node*> chain{&node};
    while (chain.back()->children[0] != nullptr &&
           chain.back()->children[0]->kind == NodeKind::kFilter) {
      chain.push_back(chain.back()->children[0].get());
    }
    const Node* source = chain.back()->children[0].get();
    if (source == nullptr && piped == nullptr) return failed("a filter without a value");
    Value value = source != nullptr ? TRY(evaluate(*source)) : *piped;
    for (auto step = chain.rbegin(); step != chain.rend(); ++step) {
      const Arguments arguments = TRY(arguments_of(**step));
      value = TRY(filter_by_name((*step)->text, value, arguments));
    }
    return value;
  }

  Result<Value> filter_by_name(const std::string& name, const Value& value,
                               const Arguments& arguments) {
    TRY(budget_.step());
    if (name == "map") return map(value, arguments);
    if (name == "select" || name == "reject") {
      return select(value, arguments, {}, 0, name == "select");
    }
    if (name == "selectattr" || name == "rejectattr") {
      const Value* attribute_name = arguments.find(0, "attribute");
      if (attribute_name == nullptr) return failed(fmt::format("{} needs an attribute", name));
      return select(value, arguments, to_text(*attribute_name), 1, name == "selectattr");
    }
    auto result = TRY(apply_filter(budget_, name, value, arguments));
    if (!result.has_value()) return refused(fmt::format("there is no filter named '{}'", name));
    return *std::move(result);
  }

  /// a.b.c of a value; digits are indices.
  Result<Value> path(Value value, std::string_view names) {
    while (!names.empty()) {
      const size_t dot = std::min(names.find('.'), names.size());
      const std::string part(names.substr(0, dot));
      const auto index = base::parse_integer(part);
      const Value key = index.ok() && *index >= 0 ? Value::number(*index) : Value::string(part);
      value = TRY(get_item(budget_, value, key));
      names.remove_prefix(std::min(dot + 1, names.size()));
    }
    return value;
  }

  Result<Value> map(const Value& value, const Arguments& arguments) {
    if (!truth(value)) return make_list({});  // none too, as in Jinja
    const Values items = TRY(iterate(budget_, value));
    Values results;
    const Value* name = arguments.find(1u << 20, "attribute");
    const Value* fallback = arguments.find(1u << 20, "default");
    if (name == nullptr && arguments.positional.empty()) return failed("map needs a filter");
    Arguments more;
    if (name == nullptr) {
      more.positional.assign(arguments.positional.begin() + 1, arguments.positional.end());
      more.named = arguments.named;
    }
    for (const Value& item : items) {
      TRY(budget_.step());
      if (name != nullptr) {
        Value found = TRY(path(item, to_text(*name)));
        if (found.is(Kind::kUndefined) && fallback != nullptr) found = *fallback;
        results.push_back(std::move(found));
      } else {
        results.push_back(TRY(filter_by_name(to_text(arguments.positional[0]), item, more)));
      }
    }
    return make_list(std::move(results));
  }

  Result<Value> select(const Value& value, const Arguments& arguments, const std::string& attribute,
                       size_t skip, bool wanted) {
    if (!truth(value)) return make_list({});
    const Values items = TRY(iterate(budget_, value));
    Values kept;
    const bool has_test = arguments.positional.size() > skip;
    Arguments more;
    if (has_test) {
      more.positional.assign(arguments.positional.begin() + static_cast<std::ptrdiff_t>(skip) + 1,
                             arguments.positional.end());
    }
    for (const Value& item : items) {
      TRY(budget_.step());
      const Value tested = attribute.empty() ? item : TRY(path(item, attribute));
      const bool holds = has_test
                             ? TRY(test_by_name(to_text(arguments.positional[skip]), tested, more))
                             : truth(tested);
      if (holds == wanted) kept.push_back(item);
    }
    return make_list(std::move(kept));
  }

  Result<Value> test(const Node& node) {
    const Value value = TRY(evaluate(*node.children[0]));
    const Arguments arguments = TRY(arguments_of(node));
    return Value::boolean(TRY(test_by_name(node.text, value, arguments)));
  }

  Result<bool> test_by_name(const std::string& name, const Value& value,
                            const Arguments& arguments) {
    const auto result = TRY(apply_test(budget_, name, value, arguments));
    if (!result.has_value()) return refused(fmt::format("there is no test named '{}'", name));
    return *result;
  }

  const Context& context_;
  Budget budget_;
  std::string out_;
  std::shared_ptr<Scope> globals_, scope_;
  std::vector<std::shared_ptr<NamespaceObject>> namespaces_;
  uint32_t macros_ = 0;
};

}  // namespace

Result<std::string> run(const Node& body, const Context& context) {
  return Interpreter(context).run(body);
}

}  // namespace freehold::model::jinja
