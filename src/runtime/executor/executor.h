#pragma once
// Runs passes: the LayerContext that really computes. Owns the activation memory of a pass and
// nothing else; weights, cache and workers are lent. One thread calls it; work is spread over the
// pool by rows, heads and columns, never inside a reduction (docs/NUMERICS.md, section 0).

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "device/isa.h"
#include "device/memory.h"
#include "device/worker_pool.h"
#include "model/arch/architecture.h"
#include "ops/attention/attention.h"
#include "ops/elementwise/elementwise.h"
#include "ops/op_table.h"
#include "ops/rope/rope_table.h"
#include "quant/activation.h"
#include "runtime/executor/activation_memory.h"
#include "runtime/pass.h"
#include "runtime/weights/weight_store.h"

namespace freehold::runtime {

/// What a model's layers ask of a cache for `sequences` sequences of `positions` in all.
CacheSpec cache_spec(const model::HyperParameters& parameters, ops::CacheType type,
                     uint64_t positions, size_t sequences);

class Executor final : public model::LayerContext {
 public:
  struct Options {
    const model::Architecture& architecture;
    const model::HyperParameters& parameters;
    const WeightStore& weights;
    device::WorkerPool& pool;
    device::MemoryAccount& account;
    device::Isa isa = device::Isa::kScalar;
    ops::CacheType cache_type = ops::CacheType::kF16;
    size_t columns_max = 256;  // most columns of one pass
    size_t logits_max = 1;     // most columns of one pass that want logits
    /// The longest sequence that is planned for; it chooses between a model's two sets of RoPE
    /// factors, where it has them.
    uint64_t context = 0;
    uint64_t adapter_rank_max = 0;  // of the adapters that columns may ask for; 0: none
    PassOutput output = PassOutput::kLogits;
  };

  /// kRefused where the activation memory cannot be had.
  static Result<std::unique_ptr<Executor>> create(Options options);
  /// Half made: create() is the way in.
  explicit Executor(Options options);

  /// Appends the columns to their sequences in `cache` and computes. Chains are committed; a
  /// sequence whose columns form a tree stays in flight until the caller commits a path. Fails as a
  /// whole, with nothing appended, where the cache has no room or a row-read weight could not be
  /// read.
  Result<PassResult> run(const PassSpec& spec, Cache& cache);

  /// Most query rows (heads times columns) that share one walk over keys and values.
  static constexpr uint32_t kAttentionRowsMax = 32;

  size_t columns_max() const { return options_.columns_max; }
  size_t logits_max() const { return options_.logits_max; }
  /// Bytes of activation memory that an executor will take: what a memory plan counts.
  static Result<uint64_t> memory_bytes(const model::Architecture& architecture,
                                       const model::HyperParameters& parameters,
                                       const ActivationShape& shape);

 private:
  /// A region costs about as much as this many elementwise values; less work stays on the caller.
  static constexpr size_t kValuesWorthARegion = 16384;

  // LayerContext.
  model::Activation residual() override { return {0, options_.parameters.width}; }
  void embed(model::WeightName table, float scale) override;
  void add_rows(model::WeightName table, model::RowOf row) override;
  model::Activation norm(model::Activation x, const model::NormSpec& spec) override;
  model::Qkv qkv(model::Activation x, const model::QkvSpec& spec) override;
  model::Activation attention(const model::Qkv& qkv, const model::AttentionSpec& spec) override;
  model::Activation linear(model::Activation x, model::WeightName weight,
                           model::WeightName bias) override;
  model::Activation gated_mlp(model::Activation x, const model::GatedMlpSpec& spec) override;
  model::Activation mlp(model::Activation x, const model::MlpSpec& spec) override;
  model::Activation experts(model::Activation x, const model::ExpertsSpec& spec) override;
  model::Activation lookup(model::WeightName table, float scale) override;
  model::Activation gated(model::Activation gate, model::Activation up,
                          ops::GateActivation activation) override;
  void add(model::Activation x, model::Activation y, float factor) override;
  void scale(model::Activation x, float factor) override;
  void scale_by(model::Activation x, model::WeightName factor) override;
  model::Activation copy(model::Activation x) override;
  void assign(model::Activation x, model::Activation y) override;
  void multiply_by(model::Activation x, model::WeightName factors) override;
  void soft_cap(model::Activation x, float cap) override;
  void add_scaled(model::Activation x, model::Activation y, model::Activation factors,
                  uint32_t index, float plus) override;
  void match_magnitude(model::Activation x, model::Activation like) override;
  model::Activation linear_part(model::Activation x, model::WeightName weight,
                                uint32_t part) override;
  model::Activation kept(uint32_t first, uint32_t width) override;
  void add_to_residual(model::Activation x, float scale) override;
  void replace_residual(model::Activation x) override;
  void logits(model::Activation x, const model::LogitsSpec& spec) override;
  void states(model::Activation x) override;

  using Place = ActivationPlace;
  /// A matrix times an activation, to be computed beside others of the same input.
  struct Product {
    const MatrixWeights* weights = nullptr;
    Place out;
    uint32_t part = 0;                // which expert's rows
    const std::byte* rows = nullptr;  // where they are, if not in panels
  };
  /// One sequence's columns.
  struct Run {
    SequenceId sequence;
    uint32_t first = 0;
    uint32_t count = 0;
    bool chain = true;
  };
  /// That a column uses an expert: its `slot`-th in ascending order.
  struct ExpertUse {
    uint32_t expert = 0;
    uint32_t column = 0;
    uint32_t slot = 0;
  };
  /// Where experts' values go: the columns of one expert in and through its MLP, and every column's
  /// shares, one slot after the other.
  struct ExpertPlaces {
    Place in, gate, up, out, shares;
    size_t middle_stride = 0;  // between the experts of one column, in gate and up
    size_t share_stride = 0;
  };
  /// Query rows that share their pages: columns of one sequence (or one tree node) and some heads.
  struct AttentionBlock {
    uint32_t run = 0;
    uint32_t kv_head = 0;
    uint32_t first_column = 0;
    uint32_t column_count = 0;
    uint32_t first_head = 0;  // within the group of this kv head
    uint32_t head_count = 0;
  };
  /// Neighbouring columns whose sequence asks for adapters.
  struct AdapterRun {
    uint32_t first = 0;
    uint32_t count = 0;
    std::span<const AppliedAdapter> adapters;
  };
  /// One adapter's pair for one product, over neighbouring columns of one sequence.
  struct AdapterJob {
    const AdapterPair* pair = nullptr;
    float factor = 1;
    Place in, out;  // of its own columns alone
    Place low;      // t, [columns, rank]
    size_t columns = 0;
    size_t first_task = 0;
  };
  /// Indices in the sequence of the keys that a column sees.
  struct KeyRange {
    uint32_t begin = 0;
    uint32_t end = 0;
  };
  /// One input of matrices, prepared as each group size wants it.
  struct Prepared {
    bool ready = false;
    quant::ActivationView view;
  };

  static Result<ActivationShape> full_shape(const model::Architecture& architecture,
                                            const model::HyperParameters& parameters,
                                            ActivationShape shape);
  Status allocate();
  /// A tensor that is used once, when the model is loaded; empty where there is no name.
  std::vector<float> constant(model::WeightName name) const;
  Status start_pass(const PassSpec& spec, Cache& cache);
  /// A pass whose reading could not begin leaves nothing.
  Status begin_reading(Status begun);
  void enter(int32_t layer);
  model::Activation make(size_t width);
  /// Columns' values from `first` on: no memory of its own.
  model::Activation part(const ActivationPlace& all, size_t first, size_t width);
  Place place(model::Activation x) const { return places_[x.id]; }
  float* column(const Place& place, size_t index) const {
    return place.data + index * place.stride;
  }

  /// Marks the prepared forms of a new input as missing.
  void forget_prepared() { prepared_ = {}; }
  const quant::ActivationView& prepare(const Place& x, size_t columns,
                                       const MatrixWeights& weights);
  void quantise_columns(const Place& x, size_t columns, quant::ActivationGroup group,
                        quant::ActivationView& view);
  void multiply(const Place& x, size_t columns, std::span<const Product> products);
  /// multiply(), and what the columns' adapters add: for dense matrices.
  void multiply_adapted(const Place& x, size_t columns, std::span<const Product> products);
  void find_adapters();
  std::span<const AdapterJob> plan_low_rank(const Place& x, std::span<const Product> products,
                                            std::span<const AdapterRun> runs, size_t order);
  void add_low_rank(std::span<const AdapterJob> jobs);
  template <class TasksOf, class Work>
  void each_adapter_task(TasksOf&& tasks_of, Work&& work);
  void shrink(const AdapterJob& job, size_t task);
  void expand(const AdapterJob& job, size_t task, size_t first_row);
  /// What column `index`'s adapters add to its row of `table`.
  void adapt_row(std::string_view table, size_t index, std::span<float> row);
  /// The same with an input of its own for each product.
  void multiply_each(std::span<const Product> products,
                     std::span<const quant::ActivationView> inputs);
  struct ProductJob;
  /// One task of a product, then `next` is asked for.
  void compute(const ProductJob& job, size_t task, std::span<const std::byte> next);
  /// One elementwise operation on every column of x, in place; with y's column where it takes one.
  void change(ops::ElementwiseKind kind, const Place& x, float factor, const Place* y = nullptr);
  void copy_columns(const Place& from, const Place& to);
  /// act(x) in place.
  void activate(const Place& x, ops::GateActivation activation);
  /// relu(x - (mean + cut * deviation)) in place, each column by its own.
  void cut_below(const Place& x, float cut);
  void add_bias(const Place& y, size_t columns, model::WeightName bias);
  void head_norm(const Place& x, uint32_t heads, model::WeightName weight, float eps);
  /// RMSNorm of every head; a null `weight` is none. A fault is `where`'s.
  void norm_heads(const Place& x, uint32_t heads, const float* weight, float eps,
                  std::string_view where);
  /// The row of `table` at a column's token, times `scale`.
  void look_up(model::WeightName table, size_t index, std::span<float> row, float scale);
  /// q, k and v before biases, norms and RoPE.
  model::Qkv project(model::Activation x, const model::QkvSpec& spec);
  void rotate(const Place& x, uint32_t heads, uint32_t rope_set);
  void scale_by_position(const Place& x, const model::AttentionTemperature& temperature);
  /// Chooses each column's experts and their weights; expert_uses_ is then in ascending experts.
  void route(const Place& logits, const model::ExpertsSpec& spec);
  void choose_experts(float* logits, size_t column, const model::ExpertsSpec& spec);
  /// One expert's MLP over the columns of `uses`, into their slots of `shares`.
  void run_expert(std::span<const ExpertUse> uses, const Place& x, const model::ExpertsSpec& spec,
                  const ExpertPlaces& places, const ExpertCache::Ready& where);
  /// Several experts of the pass's only column, side by side.
  void run_experts_of_one(std::span<const ExpertCache::Ready> experts, const Place& x,
                          const model::ExpertsSpec& spec, const ExpertPlaces& places);
  void run_group(std::span<const ExpertCache::Ready> experts, const Place& x,
                 const model::ExpertsSpec& spec, const ExpertPlaces& places);
  /// All of them, those in the cache as they become ready.
  void run_experts(const Place& x, const model::ExpertsSpec& spec, const ExpertPlaces& places);
  void write_cache(const model::Qkv& qkv);
  /// The cache's layer for the one under way.
  uint32_t cache_layer() const;
  /// Turns a table of buckets into one bias for each head and distance.
  void spread_relative_bias(std::span<const float> table);
  KeyRange keys_of(size_t column, const Run& run, const model::AttentionSpec& spec) const;
  void attend_block(const AttentionBlock& block, size_t worker, const Place& query,
                    const Place& out, const model::AttentionSpec& spec);
  void plan_attention(uint32_t kv_heads);
  void note_fault(size_t column, std::string_view where);
  /// A weight's name as in the file.
  std::string full_name(std::string_view name) const;
  /// Turns the workers' marks of `columns` columns (all of them, or those that want logits) into
  /// faults.
  void collect_faults(size_t columns, std::string_view where);
  Status begin_append();
  /// Chains stay in the cache; trees wait for whoever chooses the path. A failed pass leaves
  /// nothing.
  void end_append();
  void fill_rope_tables();
  /// Calls work(column, worker) for every column; on the caller alone where that is quicker.
  template <class Work>
  void each_column(size_t columns, size_t values_per_column, Work&& work) {
    if (columns == 1 || columns * values_per_column < kValuesWorthARegion) {
      for (size_t i = 0; i < columns; ++i) work(i, size_t{0});
    } else {
      options_.pool.run(columns, work);
    }
  }

  Options options_;
  const ops::OpTable& ops_;
  quant::QuantiseRowFn quantise_row_;
  std::vector<ops::RopeTable> rope_tables_;
  device::Buffer memory_;

  ActivationMemory at_;  // places in memory_, set once
  size_t arena_used_ = 0;
  /// What a worker needs to see a column's pages.
  struct PageScratch {
    std::vector<ops::KvPage> pages;
    device::Buffer tree;
  };
  std::vector<PageScratch> page_scratch_;  // per worker

  // The pass under way.
  const PassSpec* spec_ = nullptr;
  Cache* cache_ = nullptr;
  size_t columns_ = 0;
  int32_t layer_ = model::WeightSpec::kNoLayer;
  std::vector<Place> places_;
  uint32_t next_id_ = 1;
  std::array<Prepared, 3> prepared_;
  std::vector<uint32_t> positions_;    // index in its sequence, per column
  std::vector<Run> runs_;              // the sequences of the pass, in order
  std::vector<uint32_t> in_sequence_;  // index among its sequence's columns of the pass, per column
  std::vector<uint32_t> logits_columns_;  // columns that want logits
  std::vector<uint8_t> faulty_;           // per column
  std::vector<uint8_t> fresh_faults_;     // set by workers, read after the region
  std::vector<PassFault> faults_;
  std::optional<Error> failure_;
  size_t logits_rows_ = 0;
  std::vector<AdapterRun> adapter_runs_;
  std::vector<AdapterRun> adapter_logits_runs_;  // the same over the rows of logits
  size_t adapters_most_ = 0;                     // of one column
  std::vector<AdapterJob> adapter_jobs_;
  bool relative_bias_ready_ = false;

  std::vector<AttentionBlock> blocks_;
  uint32_t planned_kv_heads_ = 0;  // whose blocks they are; 0: none yet

  // The experts of the layer under way.
  std::vector<ExpertUse> expert_uses_;
  std::vector<ExpertWish> expert_wishes_;
  std::vector<ExpertCache::Ready> ready_experts_;
  std::vector<quant::ActivationView> expert_inputs_;
  std::vector<Product> expert_products_;
  std::vector<float> expert_weights_;    // [columns, used]
  std::span<const ExpertUse> gathered_;  // the columns of an expert's products; empty: all
};

}  // namespace freehold::runtime
