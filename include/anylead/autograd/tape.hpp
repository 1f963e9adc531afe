// Reverse-mode differentiation: a linear tape of records in execution order, walked backwards.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

#include <anylead/autograd/var.hpp>

namespace anylead {

/// What a recorded backward function sees: the gradients of its outputs, and where those of its inputs go.
template <Real T>
class Gradients {
 public:
  Gradients(Tape<T>& tape, const std::vector<int>& inputs, const std::vector<int>& outputs)
      : tape_(tape), inputs_(inputs), outputs_(outputs) {}

  /// Destination of the gradient of input i: skipped if nobody wants it, overwritten at the first touch, added to later. Ask
  /// once per input, and write to it in full.
  Grad<T> operator[](std::size_t i) const { return tape_.destination(inputs_[i]); }

  bool wants(std::size_t i) const { return inputs_[i] >= 0; }

  /// Gradient of output j; null if none arrived (then it is zero).
  const T* out(std::size_t j = 0) const { return tape_.nodes_[static_cast<std::size_t>(outputs_[j])].grad.data(); }

  /// The same as a tensor.
  const Tensor<T>& out_tensor(std::size_t j = 0) const { return tape_.nodes_[static_cast<std::size_t>(outputs_[j])].grad; }

  /// Adds a tensor to the gradient of input i.
  void add(std::size_t i, const Tensor<T>& grad) const {
    if (wants(i) && grad.defined()) tape_.add(inputs_[i], grad);
  }

  /// Hands the buffer of output j on as the gradient of input i, scaled by one: no copy if the input has none yet.
  void pass(std::size_t i, std::size_t j = 0) const { tape_.pass(inputs_[i], outputs_[j]); }

 private:
  Tape<T>& tape_;
  const std::vector<int>& inputs_;
  const std::vector<int>& outputs_;
};

/// Records ops in the order in which they run. Make one per step: it is spent after backward().
template <Real T>
class Tape {
 public:
  using Backward = std::function<void(Gradients<T>&)>;

  Tape() = default;
  Tape(const Tape&) = delete;  // variables point to their tape
  Tape& operator=(const Tape&) = delete;

  /// A constant of this tape: ops on it are recorded if another input wants a gradient.
  Var<T> input(Tensor<T> value) { return Var<T>(std::move(value), this, -1); }

  /// An input whose gradient is kept. @see grad
  Var<T> input_with_grad(Tensor<T> value) {
    const int id = add_node(value, nullptr);
    return Var<T>(std::move(value), this, id);
  }

  /// A parameter: its gradient goes to the leaf.
  Var<T> leaf(const std::shared_ptr<Leaf<T>>& leaf) {
    if (leaf->frozen) return input(leaf->value);
    const int id = add_node(leaf->value, leaf);
    return Var<T>(leaf->value, this, id);
  }

  /// Enters an op. Returns its outputs as variables; nothing is recorded if no input wants a gradient.
  std::vector<Var<T>> record(std::vector<Tensor<T>> outputs, std::initializer_list<const Var<T>*> inputs, Backward backward) {
    std::vector<int> from;
    bool wanted = false;
    for (const Var<T>* x : inputs) {
      ANYLEAD_CHECK(!x->tape() || x->tape() == this, Error, "tape", "inputs belong to two tapes");
      from.push_back(x->needs_grad() && taken(from, x->id()) ? alias(*x) : x->id());
      wanted = wanted || x->needs_grad();
    }
    std::vector<Var<T>> vars;
    std::vector<int> to;
    for (auto& y : outputs) {
      to.push_back(wanted ? add_node(y, nullptr) : -1);
      vars.emplace_back(std::move(y), this, to.back());
    }
    if (wanted) records_.push_back({std::move(from), std::move(to), std::move(backward)});
    return vars;
  }

  /// Fills the gradients of all leaves and inputs with that of a scalar.
  /// @throws ShapeError if it has more than one element, Error if the tape is spent or y is not on it.
  void backward(const Var<T>& y) {
    ANYLEAD_CHECK(y.shape().count() == 1, ShapeError, "backward", "expected a scalar, found ", y.shape(),
                  "; pass the gradient of y for other shapes");
    const T one = 1;
    Tensor<T> seed = Tensor<T>::like(y.value());
    seed.assign({&one, 1});
    backward({{y, seed}});
  }

  /// The same for several outputs of any shape, each with its gradient (of the sum of <output, gradient>).
  void backward(const std::vector<std::pair<Var<T>, Tensor<T>>>& seeds) {
    ANYLEAD_CHECK(!spent_, Error, "backward", "the tape is spent: record a new one for each step");
    spent_ = true;
    for (const auto& [y, seed] : seeds) {
      if (!y.needs_grad()) continue;
      ANYLEAD_CHECK(y.tape() == this, Error, "backward", "the variable belongs to another tape");
      ANYLEAD_CHECK(seed.shape() == y.shape(), ShapeError, "backward", "y ", y.shape(), ", its gradient ", seed.shape());
      add(y.id(), seed);
    }
    while (!records_.empty()) {
      Record& record = records_.back();
      bool reached = false;
      for (const int id : record.outputs) reached = reached || nodes_[static_cast<std::size_t>(id)].grad.defined();
      if (reached) {
        Gradients<T> gradients(*this, record.inputs, record.outputs);
        record.backward(gradients);
      }
      for (const int id : record.outputs) nodes_[static_cast<std::size_t>(id)].grad = {};
      records_.pop_back();  // frees what the op kept
    }
  }

  /// Gradient of an input_with_grad() after backward(); undefined if none arrived.
  Tensor<T> grad(const Var<T>& x) const {
    ANYLEAD_CHECK(x.tape() == this && x.needs_grad(), Error, "grad", "the variable has no gradient on this tape");
    return nodes_[static_cast<std::size_t>(x.id())].grad;
  }

  std::size_t size() const { return records_.size(); }

 private:
  friend class Gradients<T>;

  struct Node {
    Tensor<T> grad;
    Shape shape;  // of the value, which itself is kept only by those who need it
    Device device;
    double headroom;  // that the value was made with
    std::shared_ptr<Leaf<T>> leaf;
  };
  struct Record {
    std::vector<int> inputs, outputs;
    Backward backward;
  };

  /// Whether one of the nodes has its gradient where that of id is.
  bool taken(const std::vector<int>& nodes, int id) const {
    const auto leaf_of = [this](int i) { return i < 0 ? nullptr : nodes_[static_cast<std::size_t>(i)].leaf.get(); };
    for (const int other : nodes)
      if (other == id || (leaf_of(id) && leaf_of(other) == leaf_of(id))) return true;
    return false;
  }

  /// A node of its own for a variable that an op takes twice: backward functions may write their gradients in any order.
  int alias(const Var<T>& x) {
    const int id = add_node(x.value(), nullptr);
    records_.push_back({{x.id()}, {id}, [](Gradients<T>& g) { g.pass(0); }});
    return id;
  }

  int add_node(const Tensor<T>& value, std::shared_ptr<Leaf<T>> leaf) {
    Node node;
    node.shape = value.shape();
    node.device = value.device();
    node.headroom = Headroom::factor();
    node.leaf = std::move(leaf);
    nodes_.push_back(std::move(node));
    return static_cast<int>(nodes_.size()) - 1;
  }

  static Tensor<T> buffer(const Node& node) {
    const Headroom headroom(node.headroom);
    return Tensor<T>(node.shape, node.device);
  }

  Grad<T> destination(int id) {
    if (id < 0) return {};
    Node& node = nodes_[static_cast<std::size_t>(id)];
    if (node.leaf) {
      Leaf<T>& leaf = *node.leaf;
      if (!leaf.grad.defined()) leaf.grad = Tensor<T>::lasting(node.shape, node.device);
      const GradMode mode = leaf.touched ? GradMode::accumulate : GradMode::overwrite;
      leaf.touched = true;
      return {leaf.grad.data(), mode};
    }
    if (node.grad.defined()) {
      if (!node.grad.storage().unique()) node.grad = node.grad.clone();  // shared by pass(): not ours alone
      return {node.grad.data(), GradMode::accumulate};
    }
    node.grad = buffer(node);
    return {node.grad.data(), GradMode::overwrite};
  }

  void add(int id, const Tensor<T>& grad) {
    const Grad<T> to = destination(id);
    grad.device().backend().template ops<T>().scale(grad.device().exec(), grad.count(), to, grad.data(), T(1));
  }

  void pass(int input, int output) {
    if (input < 0) return;
    Node& node = nodes_[static_cast<std::size_t>(input)];
    const Tensor<T>& grad = nodes_[static_cast<std::size_t>(output)].grad;
    if (!node.leaf && !node.grad.defined())
      node.grad = grad.reshaped(node.shape);
    else
      add(input, grad.reshaped(node.shape));
  }

  std::vector<Node> nodes_;
  std::vector<Record> records_;
  bool spent_ = false;
};

/// Enters an op with one output on the tape of its inputs, if one of them has a tape. @see Tape::record
template <Real T, class Backward>
Var<T> record(Tensor<T> y, std::initializer_list<const Var<T>*> inputs, Backward&& backward) {
  for (const Var<T>* x : inputs)
    if (x->tape()) return x->tape()->record({std::move(y)}, inputs, std::forward<Backward>(backward))[0];
  return Var<T>(std::move(y));
}

/// The same for several outputs.
template <Real T, class Backward>
std::vector<Var<T>> record(std::vector<Tensor<T>> outputs, std::initializer_list<const Var<T>*> inputs, Backward&& backward) {
  for (const Var<T>* x : inputs)
    if (x->tape()) return x->tape()->record(std::move(outputs), inputs, std::forward<Backward>(backward));
  return std::vector<Var<T>>(outputs.begin(), outputs.end());
}

}  // namespace anylead
