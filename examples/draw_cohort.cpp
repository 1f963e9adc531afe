// Draws the synthetic cohort: one ECG per diagnosis as an SVG file, and a page that shows them all.
//
//   draw_cohort --out gallery                     the 26 classes of the challenge, index.html
//   draw_cohort --out gallery --records 8         and the first 8 recordings of a mixed cohort
//   draw_cohort --masked masked-ecg.svg           one ECG with what pre-training hides from the model
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <anylead/core/error.hpp>
#include <anylead/core/random.hpp>
#include <anylead/core/text.hpp>
#include <anylead/data/synthetic.hpp>
#include <anylead/report/ecg_strip.hpp>
#include <anylead/report/svg.hpp>

namespace data = anylead::data;
namespace report = anylead::report;

namespace {

void write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw anylead::IoError(anylead::str(path.string(), ": cannot be written"));
}

/// Abbreviations of the diagnoses instead of their numbers.
std::string caption(const data::Record& record) {
  std::string text = anylead::str(record.sex, ", ", report::number(record.age_years.value_or(0), 0), " years");
  for (const std::string& code : record.codes)
    for (const data::SyntheticClass& known : data::kSyntheticClasses)
      if (known.code == code) anylead::append(text, anylead::str(", ", known.abbreviation));
  return text;
}

/// The first recording of a cohort in which a diagnosis is the case.
data::Record example_of(std::string_view code, std::uint64_t seed, double noise = 1) {
  const data::SyntheticCohort cohort(
      {.patients = 32, .records_per_patient = 1, .seed = seed, .noise = noise, .faults = 0, .code = std::string(code)});
  for (anylead::Index i = 0; i < cohort.size(); ++i) {
    data::Record record = cohort.read(i);
    for (const std::string& found : record.codes)
      if (found == code) return record;
  }
  throw anylead::Error(anylead::str("no recording with ", code));
}

/// Three leads and three stretches of time hidden, as in pre-training with random lead masking.
std::string masked_ecg(std::uint64_t seed) {
  report::EcgStrip strip = report::strip_of(example_of("426783006", seed, 0.4));
  strip.title = "What the model does not see";
  strip.caption =
      "Whole leads are masked before the encoder, stretches of frames after it; the context has to make up for both.";
  strip.layout = report::EcgLayout::stacked;
  strip.masked_leads = {0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0};
  strip.masked_spans = {{0.62, 1.28}, {2.9, 3.54}, {4.4, 5.04}, {7.02, 7.98}};
  return report::ecg_strip(strip);
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app("Draws the synthetic cohort");
  std::string out, masked;
  anylead::Index records = 0;
  std::uint64_t seed = 1;
  app.add_option("--out", out, "folder for one SVG per class and index.html");
  app.add_option("--records", records, "recordings of a mixed cohort to draw as well")->check(CLI::Range(0, 10000));
  app.add_option("--masked", masked, "file for one ECG with masked leads and times");
  app.add_option("--seed", seed, "seed of the cohort")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (out.empty() && masked.empty()) {
    std::fputs(app.help().c_str(), stderr);
    return 2;
  }
  if (!masked.empty()) write(masked, masked_ecg(seed));
  if (out.empty()) return 0;

  const std::filesystem::path folder = out;
  std::filesystem::create_directories(folder);
  std::string figures;
  const auto draw = [&](const std::string& name, const std::string& title, const data::Record& record) {
    report::EcgStrip strip = report::strip_of(record);
    strip.title = title;
    strip.caption = caption(record);
    write(folder / (name + ".svg"), report::ecg_strip(strip));
    anylead::append(figures, anylead::str("<a href=\"", name, ".svg\"><img loading=\"lazy\" src=\"", name, ".svg\" alt=\"",
                                          report::escape(title), "\"></a>\n"));
  };
  std::uint64_t patient = seed;  // another one for each class
  for (const data::SyntheticClass& shown : data::kSyntheticClasses)
    draw(std::string(shown.abbreviation), anylead::str(shown.abbreviation, ": ", shown.name),
         example_of(shown.code, patient++));
  if (records > 0) {
    const data::SyntheticCohort cohort({.patients = records, .records_per_patient = 1, .seed = seed});
    for (anylead::Index i = 0; i < records; ++i) draw(anylead::str("record_", i), cohort.id(i), cohort.read(i));
  }
  write(folder / "index.html",
        anylead::str(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
            "<meta name=\"viewport\" content=\"width=device-width\">\n<title>Synthetic cohort</title>\n"
            "<style>:root { color-scheme: light dark } body { margin: 2rem; font: 16px system-ui, sans-serif }\n"
            "main { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 44rem), 1fr)) }\n"
            "img { width: 100%; border-radius: 6px; display: block }</style>\n<h1>Synthetic cohort</h1>\n<main>\n",
            figures, "</main>\n</html>\n"));
  std::printf("%s\n", (folder / "index.html").c_str());
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "draw_cohort: %s\n", e.what());
  return 1;
}
