#pragma once
// Result<T>: a value, or an Error that says what happened, to what, and what to do next.
// Not for bugs (base/check.h). Values own their content; any thread may hold its own Result.

#include <concepts>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/check.h"

namespace freehold::base {

/// Why something failed. The numbers are the program's exit codes (docs/CLI.md).
enum class ErrorCode : int {
  kFailed = 1,        ///< It could not be done: disk, network, memory, a device.
  kUsage = 2,         ///< The command or its options are off.
  kNotFound = 3,      ///< No such file, model, tensor or package.
  kRefused = 4,       ///< A policy or a limit says no.
  kDamaged = 5,       ///< Input is damaged, hostile or not what its hash says.
  kInterrupted = 130  ///< The user stopped it.
};

/// A failure for a person: `message` says what happened and to what, `hint` what to do next.
struct [[nodiscard]] Error {
  ErrorCode code = ErrorCode::kFailed;
  std::string message;
  std::string hint;

  /// The same error with `prefix` and ": " before its message, for a caller that knows more.
  Error within(const std::string& prefix) && {
    message = prefix + ": " + message;
    return std::move(*this);
  }
};

/// Either a T or an Error. Made from either; read only after asking ok().
template <class T>
class [[nodiscard]] Result {
 public:
  template <class U = T>
  requires(std::constructible_from<T, U&&> && !std::same_as<std::remove_cvref_t<U>, Error> &&
           !std::same_as<std::remove_cvref_t<U>, Result>) Result(U&& value)
      : content_(std::in_place_index<0>, std::forward<U>(value)) {}            // NOLINT
  Result(Error error) : content_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool ok() const { return content_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & {
    CHECK(ok());
    return std::get<0>(content_);
  }
  const T& value() const& {
    CHECK(ok());
    return std::get<0>(content_);
  }
  T&& value() && {
    CHECK(ok());
    return std::get<0>(std::move(content_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& {
    CHECK(!ok());
    return std::get<1>(content_);
  }
  Error&& error() && {
    CHECK(!ok());
    return std::get<1>(std::move(content_));
  }

 private:
  std::variant<T, Error> content_;
};

/// Result without a value: fine, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  void value() const { CHECK(ok()); }
  const Error& error() const& {
    CHECK(!ok());
    return *error_;
  }
  Error&& error() && {
    CHECK(!ok());
    return *std::move(error_);
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace freehold::base

namespace freehold {
using base::Error;
using base::ErrorCode;
using base::Result;
using base::Status;
}  // namespace freehold

/// The value of `expression`, or returns its Error from the enclosing function. Not behind other
/// values inside a braced list: compilers leak those when the list is left early (tools/tidy
/// checks).
#define FREEHOLD_JOIN(a, b) a##b  // names of their own, so that TRY may stand inside TRY
#define TRY(expression) FREEHOLD_TRY_AS(expression, __COUNTER__)
#define FREEHOLD_TRY_AS(expression, number) \
  FREEHOLD_TRY_IN(expression, FREEHOLD_JOIN(try_result_, number))
#define FREEHOLD_TRY_IN(expression, result) \
  ({                                        \
    auto result = (expression);             \
    if (!result.ok()) [[unlikely]]          \
      return std::move(result).error();     \
    std::move(result).value();              \
  })

/// The value of `expression`, which cannot fail here; a failure is a bug.
#define MUST(expression) FREEHOLD_MUST_AS(expression, __COUNTER__)
#define FREEHOLD_MUST_AS(expression, number) \
  FREEHOLD_MUST_IN(expression, FREEHOLD_JOIN(must_result_, number))
#define FREEHOLD_MUST_IN(expression, result) \
  ({                                         \
    auto result = (expression);              \
    CHECK(result.ok());                      \
    std::move(result).value();               \
  })
