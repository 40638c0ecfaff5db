#pragma once
// What the server counts, and its text for Prometheus (exposition format 0.0.4). Any thread.

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace freehold::server {

/// Counts of values up to each bound, as Prometheus has them.
class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds) : bounds_(std::move(bounds)) {
    counts_.resize(bounds_.size() + 1);
  }
  void add(double value);
  /// Appends the series of `name`; `labels` as in `model="x"`, may be empty.
  void write(std::string& text, const std::string& name, const std::string& labels) const;

 private:
  std::vector<double> bounds_;
  std::vector<uint64_t> counts_;
  double sum_ = 0;
};

/// What one answer came to.
struct AnswerMetrics {
  std::string model;
  uint64_t prompt_tokens = 0;
  uint64_t reused_tokens = 0;
  uint64_t answer_tokens = 0;
  double queue_s = 0;
  double first_token_s = 0;
  double whole_s = 0;
};

class Metrics {
 public:
  void count_request(const std::string& path, int status);
  void count_answer(const AnswerMetrics& answer);
  void count_load();
  void count_unload();
  /// Gauges, after each pass.
  void set_load(size_t running, size_t waiting, double cache_share, size_t models);

  std::string text() const;

 private:
  struct PerModel {
    PerModel();
    uint64_t prompt_tokens = 0;
    uint64_t reused_tokens = 0;
    uint64_t answer_tokens = 0;
    Histogram queue;
    Histogram first_token;
    Histogram per_token;
    Histogram whole;
  };

  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, uint64_t> requests_;
  std::map<std::string, PerModel> models_;
  uint64_t loads_ = 0;
  uint64_t unloads_ = 0;
  size_t running_ = 0;
  size_t waiting_ = 0;
  size_t loaded_ = 0;
  double cache_share_ = 0;
};

}  // namespace freehold::server
