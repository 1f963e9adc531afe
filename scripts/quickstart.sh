#!/usr/bin/env bash
# From a fresh machine to a first pre-trained encoder: installs what is missing from Debian, builds in Release, and trains for
# two minutes on an artificial cohort. Leaves runs/quickstart/ with checkpoints, metrics.jsonl and report.html.
# Usage: scripts/quickstart.sh          QUICKSTART_SECONDS=20 scripts/quickstart.sh trains for 20 seconds
# shellcheck source-path=SCRIPTDIR source=install.bash
source "$(dirname "${BASH_SOURCE[0]}")/install.bash"

if (($#)); then
  sed -n '2,4s/^# //p' "${BASH_SOURCE[0]}"
  [[ $1 == -h || $1 == --help ]]
  exit
fi
seconds=${QUICKSTART_SECONDS:-120}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || fail "QUICKSTART_SECONDS: expected a whole number of seconds, found '$seconds'"

need "${build_packages[@]}"
quietly "Configuring build/cpu-release" configure cpu-release
quietly "Building build/cpu-release" build cpu-release pretrain

cd "$repository"
run=runs/quickstart
if [[ -e $run/checkpoints/last ]]; then
  earlier=$run-$(date +%Y%m%d-%H%M%S)
  mv "$run" "$earlier"
  echo "The run of last time is now $earlier"
fi
echo "Training the tiny model for $seconds s on an artificial cohort (nothing is downloaded)"
build/cpu-release/examples/pretrain --data synthetic --config tiny --batch 32 --rate 1e-3 --out "$run" --max-seconds "$seconds"

cat <<END

$run/
  report.html      open it in a browser: loss curves, ECGs with what was masked, settings
  metrics.jsonl    one line per step
  checkpoints/     the encoder (safetensors), the optimiser and the state of the run

Next, with your own recordings (a folder of WFDB, .npy or .csv files, searched recursively):
  build/cpu-release/examples/pretrain --data /path/to/records --config small --out runs/mine
END
