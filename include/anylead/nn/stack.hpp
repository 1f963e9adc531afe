// Equal modules in a row.
#pragma once

#include <string>
#include <vector>

namespace anylead::nn {

/// A vector of modules, named by number: the network is not a type.
template <class M>
class Stack {
 public:
  void push_back(M module) { modules_.push_back(std::move(module)); }
  std::size_t size() const { return modules_.size(); }
  const M& operator[](std::size_t i) const { return modules_[i]; }
  auto begin() const { return modules_.begin(); }
  auto end() const { return modules_.end(); }

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    for (std::size_t i = 0; i < self.modules_.size(); ++i) f(std::to_string(i), self.modules_[i]);
  }

 private:
  std::vector<M> modules_;
};

}  // namespace anylead::nn
