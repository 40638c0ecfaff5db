#include "store/source/source.h"

#include <fmt/format.h>

#include <algorithm>

#include "store/source/ask.h"

namespace freehold::store {

namespace {

class HttpSource final : public Source {
 public:
  HttpSource(std::unique_ptr<io::HttpDownload> download, std::function<Result<std::string>()> renew,
             const std::atomic<bool>* stop)
      : download_(std::move(download)), renew_(std::move(renew)), stop_(stop) {}

  uint64_t size() const override { return download_->size(); }
  std::string version() const override { return download_->version(); }
  int retry_after_seconds() const override { return download_->retry_after_seconds(); }
  Status rest(int64_t ms) override { return rest_unless_stopped(ms, stop_); }

  Status read(uint64_t from, const Take& take) override {
    uint64_t at = from;
    const Take counted = [&](std::span<const std::byte> bytes) -> Status {
      at += bytes.size();
      return take(bytes);
    };
    while (true) {
      const uint64_t began = at;
      Status read = download_->read(at, counted);
      // An authorization that worked and ran out is renewed; one that never worked is not.
      const bool ran_out = !read.ok() && read.error().code == ErrorCode::kRefused && at > began;
      if (!ran_out || !renew_) return read;
      download_->set_authorization(TRY(renew_()));
    }
  }

 private:
  std::unique_ptr<io::HttpDownload> download_;
  std::function<Result<std::string>()> renew_;
  const std::atomic<bool>* stop_;
};

class FileSource final : public Source {
 public:
  FileSource(std::unique_ptr<io::ReadableFile> file, size_t piece_bytes)
      : file_(std::move(file)), piece_bytes_(piece_bytes) {}

  uint64_t size() const override { return file_->size(); }
  std::string version() const override {
    const io::FileIdentity& id = file_->opened_as();
    return fmt::format("{} {} {}", id.size, id.inode, id.modified_ns);
  }
  Status rest(int64_t) override { return {}; }  // A disk's second try needs no pause.

  Status read(uint64_t from, const Take& take) override {
    std::vector<std::byte> buffer(static_cast<size_t>(std::min<uint64_t>(piece_bytes_, size())));
    for (uint64_t at = from; at < size();) {
      const auto piece = std::span(buffer).first(
          static_cast<size_t>(std::min<uint64_t>(size() - at, buffer.size())));
      TRY(file_->read_exactly(at, piece));
      TRY(take(piece));
      at += piece.size();
    }
    return file_->check_unchanged();
  }

 private:
  std::unique_ptr<io::ReadableFile> file_;
  const size_t piece_bytes_;
};

/// A server that says another length than the listing is not worth asking for the rest.
Status check_size(const RemoteModel& model, const io::HttpDownload& download) {
  if (!model.bytes || download.size() == *model.bytes) return {};
  return Error{ErrorCode::kDamaged,
               fmt::format("{} has {} bytes, not the {} that its listing says",
                           io::shown_address(model.address), download.size(), *model.bytes),
               "run it again; if that does not help, the server is broken"};
}

}  // namespace

Result<std::unique_ptr<Source>> open_http_source(const RemoteModel& model,
                                                 const io::DownloadOptions& options, int tries,
                                                 Observer& observer) {
  io::DownloadOptions own = options;
  own.http.authorization = model.authorization;
  for (int attempt = 1;; ++attempt) {
    io::HttpHead head;
    auto opened = io::HttpDownload::open(model.address, own, head);
    if (opened.ok()) {
      TRY(check_size(model, **opened));
      return std::unique_ptr<Source>(
          std::make_unique<HttpSource>(std::move(opened).value(), model.renew, options.http.stop));
    }
    Error error = opened.error();
    if (error.code == ErrorCode::kRefused && !model.refused_hint.empty()) {
      error.hint = model.refused_hint;
    }
    if (!may_mend(head.status) || attempt >= tries) return error;
    const int64_t pause_ms = TRY(pause_before(attempt + 1, head.retry_after_seconds(), error));
    observer.on_note(note_of_try(error, attempt + 1, tries, pause_ms));
    TRY(rest_unless_stopped(pause_ms, options.http.stop));
  }
}

Result<std::unique_ptr<Source>> open_file_source(io::FileSystem& files, const std::string& path,
                                                 size_t piece_bytes) {
  return std::unique_ptr<Source>(std::make_unique<FileSource>(TRY(files.open(path)), piece_bytes));
}

}  // namespace freehold::store
