// Turns recordings with any subset of leads into vectors.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <string>
#include <vector>

#include <anylead/anylead.hpp>
#include <anylead/data/folder.hpp>
#include <anylead/data/npy.hpp>
#include <anylead/data/segments.hpp>
#include <anylead/io/safetensors.hpp>
#include <anylead/nn/inference.hpp>
#include <anylead/nn/precision.hpp>
#include <anylead/train/model_io.hpp>
#include <anylead/train/progress.hpp>

#include "support/device.hpp"

using namespace anylead;

namespace {

constexpr const char* kExamples = R"(
Examples:
  embed runs/first ptbxl/records500 --out embeddings.npy
      one vector per record: the mean over its 5-second windows; rows are listed in embeddings.npy.csv
  embed checkpoint.pt holter/ --leads I --out embeddings.csv
      a PyTorch checkpoint of fairseq-signals; only lead I is used, the others are zero
  embed runs/first record.hea --per segment --out segments.safetensors
  embed runs/first record.hea --per frame --out frames.safetensors
      local representations, [frames, width] for each record)";

struct Options {
  std::string model, out, match, leads, normalization, array_leads, per = "record", precision = "f32", device = "cpu";
  std::vector<std::string> paths;
  bool ignore_checksums = false;
  double array_rate_hz = 500;
  Index batch = 16, threads = 0, heads = 0;
};

/// One row of the result, or the frames of one record.
struct Rows {
  std::vector<std::string> names;
  std::vector<Index> segment, frame;  // -1: of the whole record, segment
  std::vector<float> values;          // [rows, width]
  Index width = 0;
};

void save(const Options& o, const Rows& rows) {
  const auto n = static_cast<Index>(rows.names.size());
  const auto list = [&](std::ofstream& file, bool values) {
    file << "record,segment,frame";
    if (values)
      for (Index c = 0; c < rows.width; ++c) file << ",e" << c;
    file << '\n';
    for (Index r = 0; r < n; ++r) {
      const auto i = static_cast<std::size_t>(r);
      file << '"' << rows.names[i] << '"' << ',' << (rows.segment[i] < 0 ? "" : std::to_string(rows.segment[i])) << ','
           << (rows.frame[i] < 0 ? "" : std::to_string(rows.frame[i]));
      if (values)
        for (Index c = 0; c < rows.width; ++c) file << ',' << str(rows.values[static_cast<std::size_t>(r * rows.width + c)]);
      file << '\n';
    }
  };
  const auto write_csv = [&](const std::string& path, bool values) {
    std::ofstream file(path);
    list(file, values);
    if (!file.flush()) throw IoError(str(path, ": cannot be written"));
  };
  if (o.out.ends_with(".csv")) {
    write_csv(o.out, true);
  } else if (o.out.ends_with(".npy")) {
    data::write_npy(o.out, {n, rows.width}, rows.values);
    write_csv(o.out + ".csv", false);
  } else if (o.out.ends_with(".safetensors")) {
    io::Arrays arrays;
    for (Index r = 0; r < n;) {  // one array per record: [rows of it, width]
      Index end = r;
      while (end < n && rows.names[static_cast<std::size_t>(end)] == rows.names[static_cast<std::size_t>(r)]) ++end;
      const std::vector<float> part(rows.values.begin() + r * rows.width, rows.values.begin() + end * rows.width);
      const bool single = o.per == "record";
      arrays.add(rows.names[static_cast<std::size_t>(r)],
                 io::Array::of<float>(single ? std::vector<Index>{rows.width} : std::vector<Index>{end - r, rows.width}, part));
      r = end;
    }
    io::save_safetensors(o.out, arrays, {{"per", o.per}, {"model", o.model}});
  } else {
    throw OptionError(str("--out: expected a name ending in .npy, .csv or .safetensors, found ", o.out));
  }
}

int run(int argc, char** argv) {
  Options o;
  CLI::App app(
      "Embed ECG recordings with a pre-trained encoder: mean-pooled vectors of records or segments, or local ones per frame.");
  app.footer(kExamples);
  app.add_option("model", o.model, "run folder, checkpoint folder, .safetensors, or .pt of fairseq-signals")->required();
  app.add_option("paths", o.paths, "recordings: folders, WFDB headers, .npy, .csv")->required();
  app.add_option("--out", o.out, "result: .npy (with a list of rows beside it), .csv or .safetensors")->required();
  app.add_option("--per", o.per, "record, segment or frame")
      ->check(CLI::IsMember({"record", "segment", "frame"}))
      ->capture_default_str();
  app.add_option("--leads", o.leads, "use only these leads, such as I,II; default: all that a record has");
  app.add_option("--match", o.match, "only records whose name matches this glob");
  app.add_flag("--ignore-checksums", o.ignore_checksums, "read signals whose checksum disagrees with the header");
  app.add_option("--array-rate-hz", o.array_rate_hz, "sampling rate of .npy and .csv recordings")->capture_default_str();
  app.add_option("--array-leads", o.array_leads, "leads of .npy recordings, such as I,II; default: the twelve standard ones");
  app.add_option(
         "--normalization", o.normalization,
         "none or z-score; default: as the model was trained, none for checkpoints that do not tell (ECG-FM needs z-score)")
      ->check(CLI::IsMember({"none", "z-score"}));
  app.add_option("--heads", o.heads, "attention heads, for a checkpoint that does not tell")->check(CLI::PositiveNumber);
  app.add_option("--precision", o.precision, "factors of products: f32, or bf16 with sums in float")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  app.add_option("--device", o.device, "cpu, or cuda: the first GPU")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  app.add_option("--batch", o.batch, "segments embedded at a time")->check(CLI::Range(1, 4096))->capture_default_str();
  app.add_option("--threads", o.threads, "threads; 0: all cores")->check(CLI::Range(0, 1024))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (o.threads > 0) set_threads(static_cast<int>(o.threads));

  const Device device = open_device(o.device);
  auto file = train::open_model(o.model, o.heads);
  if (!o.normalization.empty()) file.settings.normalization = o.normalization;
  auto encoder = train::load_encoder(file, device);
  nn::set_precision(encoder, train::precision_of(o.precision));
  const data::SegmentOptions segment_options = train::segment_options(file.settings);
  ANYLEAD_CHECK(static_cast<Index>(segment_options.leads.size()) == encoder.options().leads, OptionError, "embed",
                "the model has ", encoder.options().leads, " leads, its settings name ", segment_options.leads.size());
  const data::Segmenter segmenter(segment_options);
  const Index leads = segmenter.leads(), samples = segmenter.samples(), width = encoder.options().width;
  std::vector<Flag> used(static_cast<std::size_t>(leads), Flag{1});
  if (!o.leads.empty()) {
    std::fill(used.begin(), used.end(), Flag{0});
    for (const auto& name : train::detail::split_list(o.leads)) {
      Index found = -1;
      for (Index c = 0; c < leads; ++c) {
        const auto& have = segment_options.leads[static_cast<std::size_t>(c)];
        const auto a = data::parse_lead(have), b = data::parse_lead(name);
        if (have == name || (a && b && *a == *b)) found = c;
      }
      ANYLEAD_CHECK(found >= 0, OptionError, "--leads", "the model has no lead named ", name);
      used[static_cast<std::size_t>(found)] = 1;
    }
  }

  Rows rows;
  rows.width = width;
  int bad = 0;
  train::Progress progress;
  for (const auto& path : o.paths) {
    const data::RecordFolder folder(path, {.match = o.match,
                                           .ignore_checksums = o.ignore_checksums,
                                           .array_rate_hz = o.array_rate_hz,
                                           .array_leads = train::detail::split_list(o.array_leads)});
    for (Index r = 0; r < folder.size(); ++r) {
      if (r == 1) nn::prepare_inference(encoder);  // for one recording it would not pay
      progress.show(str("embedding ", r + 1, "/", folder.size(), " of ", path), r + 1 == folder.size());
      try {
        const data::PreparedRecord record = segmenter(folder.read(r));
        std::vector<double> mean(static_cast<std::size_t>(width));
        Index count = 0;
        for (Index first = 0; first < record.size(); first += o.batch) {
          const Index n = std::min(o.batch, record.size() - first);
          std::vector<float> signal(static_cast<std::size_t>(n * leads * samples));
          std::vector<Flag> keep;
          for (Index i = 0; i < n; ++i) {
            record.copy_segment(first + i, signal.data() + i * leads * samples);
            for (Index c = 0; c < leads; ++c)
              keep.push_back(used[static_cast<std::size_t>(c)] &&
                             record.present[static_cast<std::size_t>((first + i) * leads + c)]);
          }
          const Var<float> h = encoder.forward(Ctx{}, Var<float>(Tensor<float>::from_host(signal, {n, leads, samples}, device)),
                                               Tensor<Flag>::from_host(keep, {n, leads}, device));  // [n, T', E]
          const auto pooled = ops::mean_pool(h).value().to_host();                                  // [n, E]
          const auto local = o.per == "frame" ? h.value().to_host() : std::vector<float>();
          for (Index i = 0; i < n; ++i) {
            bool any = false;
            for (Index c = 0; c < leads; ++c) any = any || keep[static_cast<std::size_t>(i * leads + c)];
            if (!any) continue;
            ++count;
            const Index number = record.position[static_cast<std::size_t>(first + i)];
            const auto add = [&](Index frame, const float* values) {
              rows.names.push_back(folder.id(r));
              rows.segment.push_back(number);
              rows.frame.push_back(frame);
              rows.values.insert(rows.values.end(), values, values + width);
            };
            if (o.per == "segment") add(-1, pooled.data() + i * width);
            if (o.per == "frame")
              for (Index t = 0; t < h.shape()[1]; ++t) add(t, local.data() + (i * h.shape()[1] + t) * width);
            for (Index c = 0; c < width; ++c)
              mean[static_cast<std::size_t>(c)] += double(pooled[static_cast<std::size_t>(i * width + c)]);
          }
        }
        if (count == 0)
          throw FormatError(folder.path(r), "", str("no segment of ", segment_options.seconds, " s with a lead that is used"));
        if (o.per == "record") {
          rows.names.push_back(folder.id(r));
          rows.segment.push_back(-1);
          rows.frame.push_back(-1);
          for (const double v : mean) rows.values.push_back(static_cast<float>(v / static_cast<double>(count)));
        }
      } catch (const Error& e) {
        progress.finish();
        std::fprintf(stderr, "embed: %s\n", e.what());
        ++bad;
      }
    }
  }
  progress.finish();
  ANYLEAD_CHECK(!rows.names.empty(), Error, "embed", "no recording could be embedded");
  save(o, rows);
  std::fprintf(stderr, "%zu rows of %lld values in %s%s\n", rows.names.size(), static_cast<long long>(width), o.out.c_str(),
               bad ? str("; ", bad, " recordings left out").c_str() : "");
  return bad ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "embed: %s\n", e.what());
    return 1;
  }
}
