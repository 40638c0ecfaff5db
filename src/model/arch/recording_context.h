#pragma once
// The dry run: a LayerContext that computes nothing and writes down what an architecture's
// functions ask for. It proves that they and the weight list agree, and counts the activation
// memory of a pass.

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "model/arch/architecture.h"

namespace freehold::model {

class RecordingContext final : public LayerContext {
 public:
  RecordingContext(const HyperParameters& parameters, const std::vector<WeightSpec>& specs);

  /// Names from here on are suffixes of `layer`'s, or whole names for WeightSpec::kNoLayer.
  /// Activations of the layer before are forgotten.
  void enter(int32_t layer);

  Activation residual() override { return {0, parameters_.width}; }
  void embed(WeightName table, float scale) override;
  void add_rows(WeightName table, RowOf row) override;
  Activation norm(Activation x, const NormSpec& spec) override;
  Qkv qkv(Activation x, const QkvSpec& spec) override;
  Activation attention(const Qkv& qkv, const AttentionSpec& spec) override;
  Activation linear(Activation x, WeightName weight, WeightName bias) override;
  Activation gated_mlp(Activation x, const GatedMlpSpec& spec) override;
  Activation mlp(Activation x, const MlpSpec& spec) override;
  Activation experts(Activation x, const ExpertsSpec& spec) override;
  Activation lookup(WeightName table, float scale) override;
  Activation gated(Activation gate, Activation up, ops::GateActivation activation) override;
  void add(Activation x, Activation y, float factor) override;
  void scale(Activation, float) override {}
  void scale_by(Activation x, WeightName factor) override;
  Activation copy(Activation x) override { return make(x.width); }
  void assign(Activation x, Activation y) override { add(x, y, 1); }
  void multiply_by(Activation x, WeightName factors) override { use_vector(factors, x.width); }
  void soft_cap(Activation, float) override {}
  void add_scaled(Activation x, Activation y, Activation factors, uint32_t index,
                  float plus) override;
  void match_magnitude(Activation x, Activation like) override { add(x, like, 1); }
  Activation linear_part(Activation x, WeightName weight, uint32_t part) override;
  Activation kept(uint32_t first, uint32_t width) override;
  void add_to_residual(Activation x, float scale) override;
  void replace_residual(Activation x) override;
  void logits(Activation x, const LogitsSpec& spec) override;
  void states(Activation x) override;

  /// Weights in the order they were first asked for.
  const std::vector<std::string>& used() const { return used_; }
  /// The first disagreement between list and functions, in words; empty where there is none.
  const std::string& problem() const { return problem_; }
  /// Largest number of activation values one layer makes per column, the residual stream apart.
  uint64_t layer_values_max() const { return values_max_; }
  /// Activations one layer makes, at most.
  uint32_t layer_activations_max() const { return activations_max_; }
  /// Width of what lives as long as the pass.
  uint32_t kept_width() const { return kept_width_; }

 private:
  static constexpr uint32_t kFirstId = 1;  // 0 is the residual stream
  Activation make(uint64_t width);
  /// A part of an activation's columns: no memory of its own.
  Activation part(uint64_t width);
  /// Rows of a matrix whose width must be x's.
  uint64_t use_matrix(WeightName name, Activation x);
  void use_vector(WeightName name, uint64_t width);
  /// A table outside the layers of `width` columns.
  void use_table(WeightName name, uint64_t width);
  const WeightSpec* use(WeightName name);
  void note(std::string problem);

  const HyperParameters& parameters_;
  std::unordered_map<std::string, const WeightSpec*> specs_;
  std::unordered_map<std::string, bool> seen_;
  std::vector<std::string> used_;
  std::string problem_;
  int32_t layer_ = WeightSpec::kNoLayer;
  uint32_t next_id_ = kFirstId;
  uint32_t kept_width_ = 0;
  bool embedding_ = true;  // until the first layer is entered
  uint64_t values_ = 0;
  uint64_t values_max_ = 0;
  uint32_t activations_max_ = 0;
};

/// What a dry run learnt.
struct DryRun {
  uint64_t layer_values_max = 0;  // per column
  uint32_t layer_activations_max = 0;
  uint32_t kept_width = 0;
};

/// Walks embed, every layer and output. Fails (kFailed, a bug in the architecture's file or in its
/// list) where a weight is used that is not listed, listed and not used, or of another shape, or
/// where the order of first use is not the list's.
Result<DryRun> dry_run(const Architecture& architecture, const HyperParameters& parameters);

}  // namespace freehold::model
