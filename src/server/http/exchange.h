#pragma once
// The answering half of one request: a whole response, or a head and then pieces as they come.
// The real one (connection.cc) is backed by a socket; tests hold answers in memory. Any thread.

#include <functional>
#include <string>
#include <string_view>

#include "server/http/message.h"

namespace freehold::server {

class Exchange {
 public:
  enum class Room {
    kPlenty,
    kFull,   ///< taken, but write no more before `wake` is called
    kClosed  ///< nobody reads any more; nothing was taken
  };

  virtual ~Exchange() = default;
  /// A whole answer. Once, and instead of begin().
  virtual void send(Response response) = 0;
  /// Begins an answer of unknown length; `response.body` is its first piece.
  virtual void begin(Response response) = 0;
  virtual Room write(std::string_view piece) = 0;
  virtual void end() = 0;
  virtual bool is_closed() const = 0;
  /// `wake` is called when there is room after kFull, and when the connection closes: at once where
  /// it is closed already. From any thread, also while a write() is about to return.
  virtual void set_wake(std::function<void()> wake) = 0;
};

}  // namespace freehold::server
