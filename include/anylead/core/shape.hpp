// Sizes of a tensor: at most five, stored in place.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include <anylead/core/error.hpp>
#include <anylead/core/types.hpp>

namespace anylead {

/// Up to five sizes, slowest axis first. A scalar has rank 0 and one element.
class Shape {
 public:
  static constexpr int kMaxRank = 5;

  Shape() = default;
  /// @throws ShapeError if there are more than five sizes or one is negative.
  Shape(std::initializer_list<Index> sizes) : Shape(sizes.begin(), sizes.end()) {}
  explicit Shape(const std::vector<Index>& sizes) : Shape(sizes.data(), sizes.data() + sizes.size()) {}

  int rank() const { return rank_; }
  /// Size of an axis; -1 is the last. @throws ShapeError if there is none
  Index operator[](int axis) const { return size_[place(axis)]; }
  Index& operator[](int axis) { return size_[place(axis)]; }
  const Index* begin() const { return size_; }
  const Index* end() const { return size_ + rank_; }

  /// Number of elements.
  Index count() const {
    Index n = 1;
    for (const Index s : *this) n *= s;
    return n;
  }

  /// Product of all sizes but the last: the rows of a row-wise op.
  Index rows() const { return rank_ == 0 ? 1 : Shape(begin(), end() - 1).count(); }

  /// The same sizes with the last one replaced.
  Shape with_last(Index last) const {
    Shape s = *this;
    s[-1] = last;
    return s;
  }

  friend bool operator==(const Shape& a, const Shape& b) {
    if (a.rank_ != b.rank_) return false;
    for (int i = 0; i < a.rank_; ++i)
      if (a.size_[i] != b.size_[i]) return false;
    return true;
  }

 private:
  Shape(const Index* first, const Index* last) : rank_(static_cast<int>(last - first)) {
    ANYLEAD_CHECK(last - first <= kMaxRank, ShapeError, "shape", "at most ", kMaxRank, " axes, found ", last - first);
    for (int i = 0; i < rank_; ++i) {
      size_[i] = first[i];
      ANYLEAD_CHECK(size_[i] >= 0, ShapeError, "shape", "size ", size_[i], " of axis ", i, " is negative");
    }
  }

  int place(int axis) const {
    const int i = axis < 0 ? axis + rank_ : axis;
    ANYLEAD_CHECK(i >= 0 && i < rank_, ShapeError, "shape", "there is no axis ", axis, ": the rank is ", rank_);
    return i;
  }

  Index size_[kMaxRank] = {};
  int rank_ = 0;
};

/// "[2, 156, 768]"
inline void append(std::string& out, const Shape& shape) {
  out += '[';
  for (int i = 0; i < shape.rank(); ++i) {
    if (i) out += ", ";
    append(out, shape[i]);
  }
  out += ']';
}

}  // namespace anylead
