// One self-contained page per training run: no script, no font, no picture from elsewhere.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <anylead/core/config.hpp>
#include <anylead/core/types.hpp>
#include <anylead/report/chart.hpp>
#include <anylead/report/ecg_strip.hpp>

namespace anylead::report {

/// A number worth a card.
struct KeyNumber {
  std::string label = {}, value = {};
  std::string note = {};  ///< small print below, may be empty
};

/// Names and values under a heading: one part of the settings, of the machine, of anything.
struct NamedValues {
  std::string heading = {};
  std::vector<std::pair<std::string, std::string>> values = {};
};

/// Files of which the same is to be said, each with its own remark.
struct FileList {
  std::string heading = {};  ///< completes "7 files ...": "could not be read"
  std::vector<std::pair<std::string, std::string>> files = {};
};

/// What became of the recordings.
struct DataSummary {
  std::vector<KeyNumber> numbers = {};  ///< recordings, patients, segments, pairs, duplicates, ...
  std::vector<FileList> files = {};
  std::vector<std::string> dropped_lead_names = {};
  std::vector<double> dropped_leads = {};  ///< segments without that lead, one number per name
};

/// A training run. Whatever is empty is left out of the page. Curves are over updates unless `x_label` says otherwise.
struct RunReport {
  std::string title = {};
  std::string subtitle = {};  ///< when, where, for how long
  std::vector<KeyNumber> key_numbers = {};
  std::vector<std::string> warnings = {};  ///< shown above everything else

  std::string x_label = "update";
  double smoothing = 0.9;               ///< of the training curves
  std::vector<Series> loss = {};        ///< total; training and validation side by side where both are there
  std::vector<Series> parts = {};       ///< contrastive, diversity, feature penalty, CMSC
  std::vector<Series> accuracy = {};    ///< share of masked frames whose target was told from the negatives
  std::vector<Series> perplexity = {};  ///< per group of the quantiser
  std::vector<Series> validation = {};  ///< scores on held-out patients
  std::vector<Series> learning_rate = {};
  std::vector<Series> gradient_norm = {};  ///< before clipping
  std::vector<Series> throughput = {};     ///< segments per second
  std::vector<LineChart> more_charts = {};
  CodeUsage code_usage = {};

  std::vector<EcgStrip> strips = {};  ///< with masked leads and spans
  DataSummary data = {};
  std::vector<NamedValues> settings = {};
  std::vector<NamedValues> resources = {};  ///< memory and time
  std::string footer = {};                  ///< version, command line
};

/// The page as HTML text. Every text in the report is escaped.
/// @throws ShapeError or OptionError as the charts and strips do.
ANYLEAD_INLINE std::string html_page(const RunReport& report);

}  // namespace anylead::report

#ifndef ANYLEAD_COMPILED
#include <anylead/report/html.ipp>
#endif
