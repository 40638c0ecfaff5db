// Heads of answers, line by line, and what addresses may be. Servers with faults: tests/sources.py.

#include <gtest/gtest.h>

#include "io/http_client.h"

namespace freehold::io {
namespace {

HttpHead head_of(std::initializer_list<const char*> lines) {
  HttpHead head;
  for (const char* line : lines) EXPECT_TRUE(head.add_line(line));
  return head;
}

TEST(HttpHeadTest, ARedirectsHeadIsForgotten) {
  const HttpHead head =
      head_of({"HTTP/1.1 302 Found\r\n", "ETag: \"old\"\r\n", "Content-Range: bytes 0-1/2\r\n",
               "\r\n", "HTTP/2 206\r\n", "etag:  \"new\" \r\n"});
  EXPECT_EQ(head.status, 206);
  EXPECT_EQ(head.find("etag"), "\"new\"");
  EXPECT_FALSE(head.content_range().has_value());
}

TEST(HttpHeadTest, RangesAreCheckedAgainstThemselves) {
  const auto range = [](const char* line) {
    return head_of({"HTTP/1.1 206 x\r\n", line}).content_range();
  };
  EXPECT_EQ(range("Content-Range: bytes 2-5/10\r\n"), (HttpHead::Range{2, 5, 10}));
  for (const char* line :
       {"Content-Range: bytes 5-2/10", "Content-Range: bytes 2-10/10", "Content-Range: bytes */10",
        "Content-Range: bytes 2-5/*", "Content-Range: 2-5/10", "Content-Range: bytes -5/10",
        "Content-Range: bytes 2-99999999999999999999/10", "Content-Range: bytes 2/5-10"}) {
    EXPECT_FALSE(range(line).has_value()) << line;
  }
}

TEST(HttpHeadTest, TooManyHeadersAndOddLinesAreBounded) {
  HttpHead head;
  EXPECT_TRUE(head.add_line("HTTP/"));
  EXPECT_TRUE(head.add_line("HTTP/1.1 abc\r\n"));
  EXPECT_EQ(head.status, 0);
  const std::string line = "x: " + std::string(1000, 'y');
  int lines = 0;
  while (head.add_line(line)) ++lines;
  EXPECT_LT(lines, 66);
  EXPECT_EQ(head_of({"HTTP/1.1 503 x", "Retry-After: 99999999"}).retry_after_seconds(), 3600);
  EXPECT_EQ(head_of({"HTTP/1.1 503 x", "Retry-After: Fri, 31 Dec 1999"}).retry_after_seconds(), 0);
}

TEST(HttpAddressTest, OriginsAndPasswords) {
  EXPECT_TRUE(is_same_origin("https://a.org/x", "HTTPS://A.org:443/y?z"));
  EXPECT_FALSE(is_same_origin("https://a.org/x", "http://a.org/x"));
  EXPECT_FALSE(is_same_origin("http://a.org/x", "http://a.org:8080/x"));
  EXPECT_FALSE(is_same_origin("https://a.org", "https://a.org.evil.net"));
  EXPECT_TRUE(check_http_address("http://a.org/x?y").ok());
  for (const char* address : {"ftp://a.org", "http://", "http://a b/", "http://a/\n",
                              "https://me:pw@a.org/", "file:///etc"}) {
    EXPECT_EQ(check_http_address(address).error().code, ErrorCode::kRefused) << address;
  }
  EXPECT_EQ(shown_address("https://a.org/x?signature=secret\x1b"), "https://a.org/x");
}

}  // namespace
}  // namespace freehold::io
