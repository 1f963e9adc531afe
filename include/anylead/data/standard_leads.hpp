// Which row of a recording is which lead of the model.
#pragma once

#include <string>
#include <vector>

#include <anylead/core/error.hpp>
#include <anylead/data/leads.hpp>
#include <anylead/data/record.hpp>

namespace anylead::data {

/// The names of the twelve standard leads: I, II, III, aVR, aVL, aVF, V1 .. V6.
inline std::vector<std::string> standard_lead_names() { return {kLeadNames.begin(), kLeadNames.end()}; }

/// A list of leads in the order that a model expects, matched to the names in recordings. Standard leads are known by all their
/// spellings (@see parse_lead); any other name ("vx", "MCL1") is compared without regard to case.
class LeadOrder {
 public:
  LeadOrder() : LeadOrder(standard_lead_names()) {}

  /// @throws OptionError for no names, more than 1024, an empty name, or two names of one lead.
  explicit LeadOrder(const std::vector<std::string>& names) {
    ANYLEAD_CHECK(!names.empty() && names.size() <= 1024, OptionError, "leads", "expected 1 to 1024 names, found ",
                  names.size());
    for (const std::string& name : names) {
      const std::string key = key_of(name);
      ANYLEAD_CHECK(!key.empty(), OptionError, "leads", "a name is empty");
      for (std::size_t other = 0; other < keys_.size(); ++other)
        ANYLEAD_CHECK(keys_[other] != key, OptionError, "leads", "\"", names[other], "\" and \"", name, "\" are one lead");
      keys_.push_back(key);
    }
  }

  Index size() const { return static_cast<Index>(keys_.size()); }

  /// What a recording offers for each lead.
  struct Match {
    std::vector<Index> row;  ///< [N] row of the recording, or -1 where the lead is missing
    Index repeated = 0;      ///< rows left aside because an earlier row has the same lead
  };

  /// Rows for the leads, [N]. Of several rows with the name of one lead the first is taken: recorders that store a lead twice
  /// put the diagnostic one first, and a recording is worth more than its redundancy.
  Match match(const std::vector<std::string>& names) const {
    Match m{std::vector<Index>(keys_.size(), -1)};
    for (std::size_t row = 0; row < names.size(); ++row) {
      const std::string key = key_of(names[row]);
      for (std::size_t n = 0; n < keys_.size(); ++n) {
        if (keys_[n] != key) continue;
        if (m.row[n] < 0)
          m.row[n] = static_cast<Index>(row);
        else
          ++m.repeated;
      }
    }
    return m;
  }

  /// Position of a standard lead, or -1.
  Index position(Lead lead) const {
    const std::string key = key_of(kLeadNames[static_cast<std::size_t>(lead)]);
    for (std::size_t n = 0; n < keys_.size(); ++n)
      if (keys_[n] == key) return static_cast<Index>(n);
    return -1;
  }

 private:
  static std::string key_of(std::string_view name) {
    if (const auto lead = parse_lead(name)) return std::string(kLeadNames[static_cast<std::size_t>(*lead)]);
    std::string key;  // lower case, so that it never equals the key of a standard lead
    for (const char c : name) key += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    return key;
  }

  std::vector<std::string> keys_;
};

}  // namespace anylead::data
