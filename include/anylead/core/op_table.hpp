// The only bridge between the library and a device: one plain function per op and pass, with its contract.
//
// Contracts: matrices are row-major and contiguous; outputs are ASSIGNED in full (they may be uninitialised); a Grad is
// skipped, assigned or added to by its mode; pointers do not alias unless said; sizes may be 0. Sums are deterministic.
#pragma once

#include <anylead/core/dims.hpp>
#include <anylead/core/exec.hpp>
#include <anylead/core/grad.hpp>
#include <anylead/core/types.hpp>

namespace anylead {

template <Real T>
struct OpTable {
  // --- element by element -----------------------------------------------------------------------------------------------

  /// y [n] = value
  void (*fill)(const Exec&, Index n, T* y, T value);

  /// y [n] = factor x, or += by the mode. x may be y.data.
  void (*scale)(const Exec&, Index n, Grad<T> y, const T* x, T factor);

  /// y [n] = x + dropout(a); x null: y = dropout(a). y may be x or a.
  void (*dropout_add_forward)(const Exec&, Index n, T* y, const T* x, const T* a, Dropout);
  /// dx = dy; da = dy * the factor of each element.
  void (*dropout_add_backward)(const Exec&, Index n, Grad<T> dx, Grad<T> da, const T* dy, Dropout);

  /// y [n] = x Phi(x), the exact form: x (1 + erf(x / sqrt 2)) / 2.
  void (*gelu_forward)(const Exec&, Index n, T* y, const T* x);
  void (*gelu_backward)(const Exec&, Index n, Grad<T> dx, const T* dy, const T* x);

  // --- rows ---------------------------------------------------------------------------------------------------------------

  /// y [B, T, C] = x [B, C, T] where keep [B, C], else 0; keep null: all kept.
  void (*lead_mask_forward)(const Exec&, LeadMaskDims, T* y, const T* x, const Flag* keep);
  void (*lead_mask_backward)(const Exec&, LeadMaskDims, Grad<T> dx, const T* dy, const Flag* keep);

  /// Row r of y [R, C]: row [C] (null: zeros) where mask [R], else row r of x. y may be x.
  void (*mask_rows_forward)(const Exec&, RowDims, T* y, const T* x, const T* row, const Flag* mask);
  /// dx: dy, 0 where mask. drow [C]: sum of dy over the masked rows.
  void (*mask_rows_backward)(const Exec&, RowDims, Grad<T> dx, Grad<T> drow, const T* dy, const Flag* mask);

  /// y [n, C] = rows index [n] of x [R, C]; d.rows is R.
  void (*gather_rows_forward)(const Exec&, RowDims d, Index n, T* y, const T* x, const Index32* index);
  /// dx [R, C]: dy added to its row, 0 elsewhere. The indices are distinct.
  void (*gather_rows_backward)(const Exec&, RowDims d, Index n, Grad<T> dx, const T* dy, const Index32* index);

  /// y [R, C] = x - log sum exp x, per row.
  void (*log_softmax_forward)(const Exec&, RowDims, T* y, const T* x);
  void (*log_softmax_backward)(const Exec&, RowDims, Grad<T> dx, const T* dy, const T* y);

  /// y [S R] = <a, b> / (max(|a|, eps) max(|b|, eps)), a [R, C] against each of the `repeats` S blocks of b [S, R, C].
  void (*cosine_forward)(const Exec&, RowDims, Index repeats, T* y, const T* a, const T* b, T eps);
  void (*cosine_backward)(const Exec&, RowDims, Index repeats, Grad<T> da, Grad<T> db, const T* dy, const T* y, const T* a,
                          const T* b, T eps);

  // --- norms --------------------------------------------------------------------------------------------------------------

  /// y = (x - mean) rstd weight + bias, rstd = 1 / sqrt(var + eps), per row, biased variance, two passes.
  /// x, y [R, C]; weight, bias [C]; mean, rstd [R]. y may be x.
  void (*layer_norm_forward)(const Exec&, RowDims, T* y, T* mean, T* rstd, const T* x, const T* weight, const T* bias, T eps);
  void (*layer_norm_backward)(const Exec&, RowDims, Grad<T> dx, Grad<T> dweight, Grad<T> dbias, const T* dy, const T* x,
                              const T* weight, const T* mean, const T* rstd);

  /// s = x + dropout(a); y = layer norm of s. All [R, C]; mean, rstd [R]. s may be a.
  void (*residual_norm_forward)(const Exec&, RowDims, T* y, T* s, T* mean, T* rstd, const T* x, const T* a, Dropout,
                                const T* weight, const T* bias, T eps);
  /// With ds the gradient of s: dx = ds, da = dropout(ds).
  void (*residual_norm_backward)(const Exec&, RowDims, Grad<T> dx, Grad<T> da, Grad<T> dweight, Grad<T> dbias, const T* dy,
                                 const T* s, Dropout, const T* weight, const T* mean, const T* rstd);

  /// The same formula per segment and group of channels, over time. x, y [B, T, C]; weight, bias [C]; mean, rstd [B, G].
  void (*group_norm_forward)(const Exec&, GroupNormDims, T* y, T* mean, T* rstd, const T* x, const T* weight, const T* bias,
                             T eps);
  void (*group_norm_backward)(const Exec&, GroupNormDims, Grad<T> dx, Grad<T> dweight, Grad<T> dbias, const T* dy, const T* x,
                              const T* weight, const T* mean, const T* rstd);

  /// w = g v / |v|, one norm over outer and inner for each kept index. v, w [outer, kept, inner]; g, norm [kept].
  void (*weight_norm_forward)(const Exec&, WeightNormDims, T* w, T* norm, const T* v, const T* g);
  void (*weight_norm_backward)(const Exec&, WeightNormDims, Grad<T> dv, Grad<T> dg, const T* dw, const T* v, const T* g,
                               const T* norm);

  // --- products -----------------------------------------------------------------------------------------------------------

  /// y [R, out] = x [R, in] weight^T + bias; bias [out] or null.
  void (*linear_forward)(const Exec&, LinearDims, T* y, const T* x, const T* weight, const T* bias);
  void (*linear_backward)(const Exec&, LinearDims, Grad<T> dx, Grad<T> dweight, Grad<T> dbias, const T* dy, const T* x,
                          const T* weight);

  /// The prepared form of a weight, for inference, where many calls share it: as many T as linear_prepared_size, in whatever
  /// order the products of the device read them. rows is not looked at. All three null: the device has no such form.
  Index (*linear_prepared_size)(const Exec&, LinearDims);
  void (*linear_prepare)(const Exec&, LinearDims, T* prepared, const T* weight);
  /// linear_forward, to the same bits.
  void (*linear_prepared_forward)(const Exec&, LinearDims, T* y, const T* x, const T* prepared, const T* bias);

  /// y = gelu(z) weight^T + bias; h [R, in] receives gelu(z). Backward computes h anew, so only z is kept.
  void (*gelu_linear_forward)(const Exec&, LinearDims, T* y, T* h, const T* z, const T* weight, const T* bias);
  /// h [R, in] is scratch.
  void (*gelu_linear_backward)(const Exec&, LinearDims, Grad<T> dz, Grad<T> dweight, Grad<T> dbias, T* h, const T* dy,
                               const T* z, const T* weight);

  /// y [B, T', K] = grouped, strided, zero-padded convolution of x [B, T, C]; weight [K, C/G, L]; bias [K] or null.
  void (*conv1d_forward)(const Exec&, Conv1dDims, T* y, const T* x, const T* weight, const T* bias);
  void (*conv1d_backward)(const Exec&, Conv1dDims, Grad<T> dx, Grad<T> dweight, Grad<T> dbias, const T* dy, const T* x,
                          const T* weight);

  /// A block of the feature extractor: z = convolution of x (kept for backward), y = gelu(norm(z)); both [B, T', K].
  /// norm_weight, norm_bias [K]; mean, rstd [B, K] (group), [B, T'] (layer), null (none).
  void (*conv1d_norm_gelu_forward)(const Exec&, Conv1dDims, BlockNorm, T* y, T* z, T* mean, T* rstd, const T* x,
                                   const T* weight, const T* bias, const T* norm_weight, const T* norm_bias, T eps);
  /// dz [B, T', K] is scratch.
  void (*conv1d_norm_gelu_backward)(const Exec&, Conv1dDims, BlockNorm, Grad<T> dx, Grad<T> dweight, Grad<T> dbias,
                                    Grad<T> dnorm_weight, Grad<T> dnorm_bias, T* dz, const T* dy, const T* x, const T* z,
                                    const T* weight, const T* norm_weight, const T* norm_bias, const T* mean, const T* rstd);

  /// The first block out of leads as they are recorded: conv1d_norm_gelu_forward of lead_mask_forward(x [B, C, T], keep [B, C]
  /// or null), without padding and in one group. Masked leads are no terms: they are neither read nor multiplied, whatever they
  /// hold. So few terms are never rounded: d.precision is not looked at. z is not kept, backward computes it anew.
  void (*lead_conv1d_norm_gelu_forward)(const Exec&, Conv1dDims, BlockNorm, T* y, T* mean, T* rstd, const T* x,
                                        const Flag* keep, const T* weight, const T* bias, const T* norm_weight,
                                        const T* norm_bias, T eps);
  /// There is no gradient of the recording.
  void (*lead_conv1d_norm_gelu_backward)(const Exec&, Conv1dDims, BlockNorm, Grad<T> dweight, Grad<T> dbias,
                                         Grad<T> dnorm_weight, Grad<T> dnorm_bias, const T* dy, const T* x, const Flag* keep,
                                         const T* weight, const T* bias, const T* norm_weight, const T* norm_bias,
                                         const T* mean, const T* rstd);

  /// y = x + gelu(z), z [B, T, C] = convolution with stride 1 and as many outputs as inputs; T' may exceed T by one (even
  /// number of taps), the frames behind T are dropped. x, y, z [B, T, C].
  void (*conv_positional_forward)(const Exec&, Conv1dDims, T* y, T* z, const T* x, const T* weight, const T* bias);
  /// The prepared form of its weight, for inference, where many calls share it: as many T as the size says, 0 where there is no
  /// such form. It serves every B, and every T of the same size. All three null: the device has no such form.
  Index (*conv_positional_prepared_size)(const Exec&, Conv1dDims);
  void (*conv_positional_prepare)(const Exec&, Conv1dDims, T* prepared, const T* weight);
  /// conv_positional_forward, to the same bits.
  void (*conv_positional_prepared_forward)(const Exec&, Conv1dDims, T* y, T* z, const T* x, const T* prepared, const T* bias);
  /// dx includes the residual. dz [B, T, C] is scratch.
  void (*conv_positional_backward)(const Exec&, Conv1dDims, Grad<T> dx, Grad<T> dweight, Grad<T> dbias, T* dz, const T* dy,
                                   const T* x, const T* z, const T* weight);

  /// y = softmax(q k^T / sqrt(D)) v per segment and head, dropout on the probabilities; q, k, v, y [B, T, H D].
  /// Keys where padding [B, T] (or null) is set are left out; a segment without any key left gives 0.
  /// logsum [B, H, T]: log of the sum of exponentials of each row.
  /// Element (b, h, i, j) of the probabilities has number ((b H + h) T + i) T + j of the dropout stream.
  void (*attention_forward)(const Exec&, AttentionDims, T* y, T* logsum, const T* q, const T* k, const T* v,
                            const Flag* padding, Dropout);
  void (*attention_backward)(const Exec&, AttentionDims, Grad<T> dq, Grad<T> dk, Grad<T> dv, const T* dy, const T* y,
                             const T* logsum, const T* q, const T* k, const T* v, const Flag* padding, Dropout);
  /// weights [B, T, T]: the probabilities averaged over heads.
  void (*attention_weights)(const Exec&, AttentionDims, T* weights, const T* logsum, const T* q, const T* k,
                            const Flag* padding);

  // --- objectives ---------------------------------------------------------------------------------------------------------

  /// y [1] = mean of x^2; 0 if n = 0.
  void (*mean_square_forward)(const Exec&, Index n, T* y, const T* x);
  void (*mean_square_backward)(const Exec&, Index n, Grad<T> dx, const T* dy, const T* x);

  /// y [B, C] = sum over unpadded frames / count [B, C]. non_zero: the count is that of entries other than 0, per channel (the
  /// reference), else that of unpadded frames. A count of 0 gives 0.
  void (*mean_pool_forward)(const Exec&, PoolDims, bool non_zero, T* y, T* count, const T* x, const Flag* padding);
  void (*mean_pool_backward)(const Exec&, PoolDims, Grad<T> dx, const T* dy, const T* count, const Flag* padding);

  /// codes [R, G]: argmax of logits + noise within each group (noise [R, G V], or null: plain argmax, lowest index of equals);
  /// y [R, G D]: the chosen rows of vars [G V, D], groups side by side (shared: vars [V, D] serves all groups).
  /// usage [2, G, V]: mean softmax of the plain logits, and frequency of their argmax;
  /// perplexity [2] = sum over groups of exp(-sum p log(p + 1e-7)) of both.
  void (*gumbel_quantize_forward)(const Exec&, QuantizeDims, bool shared, T* y, Index32* codes, T* usage, T* perplexity,
                                  const T* logits, const T* noise, const T* vars);
  /// Straight through: the choice is differentiated as softmax((logits + noise) / tau); without noise (null) no gradient goes
  /// through it. dperplexity: gradient of perplexity[0], or null. dy may be null.
  void (*gumbel_quantize_backward)(const Exec&, QuantizeDims, bool shared, Grad<T> dlogits, Grad<T> dvars, const T* dy,
                                   const T* dperplexity, const T* logits, const T* noise, const T* vars, const Index32* codes,
                                   const T* usage, T tau);
  /// noise [n]: Gumbel numbers 0 .. n - 1 of the stream.
  void (*gumbel_noise)(const Exec&, Index n, T* noise, RandomStream);

  /// logits [R, 1 + N] = cosine(context row, candidate) / temperature; candidate 0 is the row's own target, the others the rows
  /// negatives [R, N] of target. A negative whose codes [candidates, code_groups] (null: whose vector) equal the positive's
  /// gets -inf. loss [1] = sum over rows of -log softmax(logits)[0]; correct [R]: 1 where logit 0 is the largest and not also
  /// the smallest.
  void (*sampled_contrastive_forward)(const Exec&, ContrastDims, T* loss, T* logits, Flag* correct, const T* context,
                                      const T* target, const Index32* negatives, const Index32* codes, Index code_groups,
                                      T temperature, T eps);
  void (*sampled_contrastive_backward)(const Exec&, ContrastDims, Grad<T> dcontext, Grad<T> dtarget, const T* dloss,
                                       const T* logits, const T* context, const T* target, const Index32* negatives,
                                       T temperature, T eps);

  /// S [n, m] = u_first u_second^T / temperature, u = z / max(|z|, eps); positives where id[first] == id[second].
  /// loss [1] = mean over positives of (-log softmax along rows - log softmax along columns) / 2; 0 without positives.
  /// lines [2, n + m]: log of the sum of exponentials, and number of positives, of each row of S and, behind them, of each
  /// column; kept for backward. S itself is not: memory grows with n + m. id [R]; first, second: row numbers of z, none twice,
  /// in either.
  void (*pair_contrastive_forward)(const Exec&, PairDims, T* loss, T* lines, const T* z, const Index32* first,
                                   const Index32* second, const Index32* id, T temperature, T eps);
  /// detached: the norm counts as a constant (the reference). Rows of z in neither set get 0.
  void (*pair_contrastive_backward)(const Exec&, PairDims, bool detached, Grad<T> dz, const T* dloss, const T* lines,
                                    const T* z, const Index32* first, const Index32* second, const Index32* id, T temperature,
                                    T eps);

  // --- optimiser ----------------------------------------------------------------------------------------------------------

  /// Sum of squares of all gradients, in double; written to host memory. Synchronises.
  double (*sum_squares)(const Exec&, const AdamSegment<T>* segments, Index count);

  /// g = grad_scale grad; mean = b1 mean + (1 - b1) g; square = b2 square + (1 - b2) g^2; value -= rate decay value (if it
  /// decays); value -= rate sqrt(1 - b2^k) / (1 - b1^k) mean / (sqrt(square) + eps).
  /// corrected_epsilon: ... - rate / (1 - b1^k) mean / (sqrt(square / (1 - b2^k)) + eps).
  void (*adam_step)(const Exec&, AdamDims, const AdamSegment<T>* segments, Index count);
};

}  // namespace anylead
