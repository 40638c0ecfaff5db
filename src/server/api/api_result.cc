#include "server/api/api_result.h"

#include "base/json.h"

namespace freehold::server {

namespace {

std::string_view openai_type(int status) {
  if (status == 401) return "authentication_error";
  if (status == 403) return "permission_error";
  if (status == 404) return "not_found_error";
  if (status == 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

std::string_view anthropic_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
      return "overloaded_error";
    default:
      return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

}  // namespace

ApiError api_error(const Error& error) {
  ApiError made;
  made.message = error.message;
  if (!error.hint.empty()) made.message += "; " + error.hint;
  switch (error.code) {
    case ErrorCode::kUsage:
    case ErrorCode::kRefused:
      made.status = 400;
      break;
    case ErrorCode::kNotFound:
      made.status = 404;
      break;
    case ErrorCode::kInterrupted:
      made.status = 503;
      made.retry_after_s = 5;
      break;
    default:
      made.status = 500;
  }
  return made;
}

std::string error_json(const ApiError& error, Dialect dialect) {
  std::string text;
  base::JsonWriter json(text);
  json.begin_object();
  if (dialect == Dialect::kOllama) {
    json.field("error", error.message);
  } else if (dialect == Dialect::kAnthropic) {
    json.field("type", "error").key("error").begin_object();
    json.field("type", anthropic_type(error.status)).field("message", error.message);
    json.end_object();
  } else {
    json.key("error").begin_object().field("message", error.message);
    json.field("type", openai_type(error.status));
    json.key("param");
    error.param.empty() ? json.null() : json.value(error.param);
    json.key("code");
    error.code.empty() ? json.null() : json.value(error.code);
    json.end_object();
  }
  json.end_object();
  return text;
}

Response error_response(const ApiError& error, Dialect dialect) {
  Response response{.status = error.status, .body = error_json(error, dialect)};
  if (error.retry_after_s > 0) {
    response.headers.push_back({"Retry-After", std::to_string(error.retry_after_s)});
  }
  return response;
}

}  // namespace freehold::server
