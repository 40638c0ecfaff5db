// The executor's part that adds adapters: t = A x, y = B t, out = fma(s, y, out) for the columns
// whose sequence asks for it (docs/NUMERICS.md, section 8). Columns without one are not touched.

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/check.h"
#include "ops/elementwise/elementwise.h"
#include "runtime/executor/executor.h"

namespace freehold::runtime {

namespace {

// A task's results stay in its worker's first-level cache.
constexpr size_t kColumnsPerTask = 16;
constexpr size_t kRowsPerTask = 256;

float factor_of(const AdapterPair& pair, float scale) {
  return static_cast<float>(pair.factor * static_cast<double>(scale));
}

quant::ActivationView float_view(const float* x, size_t stride, size_t columns, size_t width) {
  quant::ActivationView view;
  view.columns = columns;
  view.width = width;
  view.x = x;
  view.x_stride = stride;
  return view;
}

size_t column_tasks(size_t columns) { return base::divide_up(columns, kColumnsPerTask); }
size_t row_tasks(const AdapterPair& pair) {
  return static_cast<size_t>(base::divide_up<uint64_t>(pair.b.rows, kRowsPerTask));
}

}  // namespace

void Executor::find_adapters() {
  adapter_runs_.clear();
  adapter_logits_runs_.clear();
  adapters_most_ = 0;
  uint32_t logits_before = 0;
  for (const Run& run : runs_) {
    const auto columns = std::span(spec_->columns).subspan(run.first, run.count);
    const auto logits = static_cast<uint32_t>(
        std::count_if(columns.begin(), columns.end(),
                      [](const PassColumn& column) { return column.wants_logits; }));
    const std::span<const AppliedAdapter> adapters = columns[0].adapters;
    if (!adapters.empty()) {
      CHECK(rank_max_of(adapters) <= options_.adapter_rank_max);
      adapter_runs_.push_back({run.first, run.count, adapters});
      if (logits > 0) adapter_logits_runs_.push_back({logits_before, logits, adapters});
      adapters_most_ = std::max(adapters_most_, adapters.size());
    }
    logits_before += logits;
  }
}

void Executor::multiply_adapted(const Place& x, size_t columns, std::span<const Product> products) {
  multiply(x, columns, products);
  // Where all columns want logits, both lists say the same.
  const auto& runs = columns == columns_ ? adapter_runs_ : adapter_logits_runs_;
  for (size_t order = 0; order < adapters_most_; ++order) {
    add_low_rank(plan_low_rank(x, products, runs, order));
  }
}

/// Every pair that the adapters standing at `order` in their requests have for `products`.
std::span<const Executor::AdapterJob> Executor::plan_low_rank(const Place& x,
                                                              std::span<const Product> products,
                                                              std::span<const AdapterRun> runs,
                                                              size_t order) {
  adapter_jobs_.clear();
  float* low = at_.low_rank;
  for (const AdapterRun& run : runs) {
    if (run.adapters.size() <= order) continue;
    const AppliedAdapter& applied = run.adapters[order];
    for (const Product& product : products) {
      const AdapterPair* pair = applied.adapter->find(product.weights->name);
      // An output matrix that is the embedding too stays as it is: the pair is for looking up.
      if (pair == nullptr || pair->by_token) continue;
      const size_t stride = activation_stride(pair->rank);
      adapter_jobs_.push_back(
          {pair,
           factor_of(*pair, applied.scale),
           {column(x, run.first), x.width, x.stride},
           {column(product.out, run.first), product.out.width, product.out.stride},
           {low, pair->rank, stride},
           run.count,
           0});
      low += stride * run.count;
    }
  }
  CHECK(low <= at_.low_rank + at_.low_rank_floats);
  return adapter_jobs_;
}

template <class TasksOf, class Work>
void Executor::each_adapter_task(TasksOf&& tasks_of, Work&& work) {
  size_t tasks = 0;
  for (AdapterJob& job : adapter_jobs_) {
    job.first_task = tasks;
    tasks += tasks_of(job);
  }
  options_.pool.run(tasks, [&](size_t task, size_t) {
    size_t which = adapter_jobs_.size() - 1;
    while (adapter_jobs_[which].first_task > task) --which;
    work(adapter_jobs_[which], task - adapter_jobs_[which].first_task);
  });
}

void Executor::add_low_rank(std::span<const AdapterJob> jobs) {
  if (jobs.empty()) return;
  each_adapter_task([](const AdapterJob& job) { return column_tasks(job.columns); },
                    [&](const AdapterJob& job, size_t task) { shrink(job, task); });
  each_adapter_task(
      [](const AdapterJob& job) { return column_tasks(job.columns) * row_tasks(*job.pair); },
      [&](const AdapterJob& job, size_t task) {
        const size_t parts = row_tasks(*job.pair);
        expand(job, task / parts, task % parts * kRowsPerTask);
      });
}

/// t = A x for some columns.
void Executor::shrink(const AdapterJob& job, size_t task) {
  const size_t first = task * kColumnsPerTask;
  const size_t count = std::min(kColumnsPerTask, job.columns - first);
  const AdapterMatrix& a = job.pair->a;
  quant::PanelDot dot;
  dot.rows = a.data;
  dot.row_bytes = a.row_bytes();
  dot.row_count = a.rows;
  dot.x = float_view(column(job.in, first), job.in.stride, count, a.width);
  dot.y = column(job.low, first);
  dot.y_stride = job.low.stride;
  a.format->dot(options_.isa)(dot);
}

/// y = B t for some rows and columns, then out = fma(s, y, out).
void Executor::expand(const AdapterJob& job, size_t task, size_t first_row) {
  const size_t first = task * kColumnsPerTask;
  const size_t count = std::min(kColumnsPerTask, job.columns - first);
  const AdapterMatrix& b = job.pair->b;
  std::array<float, kColumnsPerTask * kRowsPerTask> y;
  quant::PanelDot dot;
  dot.rows = b.data + first_row * b.row_bytes();
  dot.row_bytes = b.row_bytes();
  dot.row_count = std::min<size_t>(kRowsPerTask, b.rows - first_row);
  dot.x = float_view(column(job.low, first), job.low.stride, count, b.width);
  dot.y = y.data();
  dot.y_stride = kRowsPerTask;
  b.format->dot(options_.isa)(dot);
  for (size_t i = 0; i < count; ++i) {
    float* const out = column(job.out, first + i) + first_row;
    ops_.elementwise({.kind = ops::ElementwiseKind::kScaleAdd,
                      .x = y.data() + i * kRowsPerTask,
                      .y = out,
                      .factor = job.factor,
                      .count = dot.row_count,
                      .out = out});
  }
}

void Executor::adapt_row(std::string_view table, size_t index, std::span<float> row) {
  const PassColumn& column = spec_->columns[index];
  for (const AppliedAdapter& applied : column.adapters) {
    const AdapterPair* pair = applied.adapter->find(table);
    if (pair == nullptr || !pair->by_token) continue;
    const AdapterMatrix& a = pair->a;
    a.format->decode_row(a.data + static_cast<size_t>(column.token) * a.row_bytes(), a.width,
                         at_.low_rank);
    const size_t width = row.size();
    const Place place{at_.low_rank, pair->rank, activation_stride(pair->rank)};
    const AdapterJob job{
        pair, factor_of(*pair, applied.scale), {}, {row.data(), width, width}, place, 1, 0};
    for (size_t first = 0; first < width; first += kRowsPerTask) expand(job, 0, first);
  }
}

}  // namespace freehold::runtime
