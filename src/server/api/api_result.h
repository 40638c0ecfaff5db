#pragma once
// Why a request is not answered, as a client sees it, and a value or that. TRY works on both this
// and Result: an Error becomes the status that fits its code.

#include <string>
#include <utility>
#include <variant>

#include "base/result.h"
#include "server/http/message.h"

namespace freehold::server {

/// Whose shape errors have.
enum class Dialect { kOpenAi, kOllama, kAnthropic };

struct ApiError {
  int status = 400;
  std::string message;
  std::string param = {};  // the parameter it is about; empty: none
  std::string code = {};   // a word for programs; empty: none
  int retry_after_s = 0;   // with 429 and 503
};

/// kUsage: 400, kNotFound: 404, kRefused: 400, kInterrupted: 503, else 500.
ApiError api_error(const Error& error);
Response error_response(const ApiError& error, Dialect dialect);
/// The error object alone, as it also stands in streams.
std::string error_json(const ApiError& error, Dialect dialect);

template <class T>
class [[nodiscard]] ApiResult {
 public:
  template <class U = T>
  requires(std::constructible_from<T, U&&> && !std::same_as<std::remove_cvref_t<U>, ApiResult> &&
           !std::same_as<std::remove_cvref_t<U>, ApiError> &&
           !std::same_as<std::remove_cvref_t<U>, Error>) ApiResult(U&& value)
      : content_(std::in_place_index<0>, std::forward<U>(value)) {}                      // NOLINT
  ApiResult(ApiError error) : content_(std::in_place_index<1>, std::move(error)) {}      // NOLINT
  ApiResult(const Error& error) : content_(std::in_place_index<1>, api_error(error)) {}  // NOLINT

  bool ok() const { return content_.index() == 0; }
  T& value() & { return std::get<0>(content_); }
  T&& value() && { return std::get<0>(std::move(content_)); }
  T& operator*() & { return value(); }
  T* operator->() { return &value(); }
  const ApiError& error() const& { return std::get<1>(content_); }
  ApiError&& error() && { return std::get<1>(std::move(content_)); }

 private:
  std::variant<T, ApiError> content_;
};

struct Nothing {};
using ApiStatus = ApiResult<Nothing>;

}  // namespace freehold::server
