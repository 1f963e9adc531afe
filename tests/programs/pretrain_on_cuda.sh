#!/usr/bin/env bash
# Three updates of a tiny model on the CPU and on the GPU: the losses agree within a thousandth (with products in bf16, whose
# results the GPU rounds too, within a two-hundredth), and as many frames are masked; a run goes on from the device's checkpoint
# on the CPU; embeddings of recordings agree.
# Usage: pretrain_on_cuda.sh FOLDER PRETRAIN EMBED [SIMULATOR], called by ctest.
set -euo pipefail
work=$1 pretrain=$2 embed=$3
run=("${@:4}") # before a program that uses the GPU

rm -rf "$work"
mkdir -p "$work"
cd "$work"
for precision in f32 bf16; do
  for device in cpu cuda; do
    prefix=() out=$device-$precision
    [[ $device == cpu ]] || prefix=(${run[@]+"${run[@]}"})
    if ! "${prefix[@]}" "$pretrain" --device "$device" --precision $precision --config tiny --steps 3 --batch 4 \
      --cohort-patients 6 --cohort-records 2 --validation 0.2 --out "$out" 2>"$out.log"; then
      cat "$out.log" >&2
      grep -q 'no GPU to use' "$out.log" && exit 77
      exit 1
    fi
  done
done
grep -q '; cuda:0, ' cuda-f32.log

lines() { sed -E 's/.*"step":([0-9]+),.*"loss":([^,]*),.*"masked_frames":([0-9]+).*/\1 \3 \2/' "$1/metrics.jsonl"; }
agree() { # FILE BOUND: pairs of numbers that agree within BOUND times the largest
  awk -v bound="$2" '{ d = $1 - $2; if (d < 0) d = -d; s = $1 < 0 ? -$1 : $1; if (d > worst) worst = d; if (s > size) size = s; n++ }
       END { printf "%d numbers, largest difference %g of %g\n", n, worst, size; exit !(n > 0 && worst <= bound * size) }' "$1"
}
declare -A bounds=([f32]=1e-3 [bf16]=5e-3)
for precision in "${!bounds[@]}"; do
  paste -d' ' <(lines "cpu-$precision") <(lines "cuda-$precision") >both
  cat both
  awk '$1 != $4 || $2 != $5 { exit 1 } END { exit NR != 4 }' both # three updates and a validation, of as many masked frames
  awk '{ print $3, $6 }' both >losses
  while read -r pair; do agree <(echo "$pair") "${bounds[$precision]}"; done <losses
done

"$pretrain" --resume --device cpu --steps 4 --out cuda-f32 2>resumed.log
grep -q 'resumed from step 3' resumed.log

mkdir recordings
for n in 1 2; do
  awk -v n=$n -v OFS=, 'BEGIN { print "I,II,V1"; for (t = 0; t < 2500; ++t) print sin(n * t / 30), cos(t / (9 + n)), sin(t / 70) }' \
    >recordings/$n.csv
done
"$embed" cpu-f32 recordings --out cpu.csv
"${run[@]}" "$embed" --device cuda cpu-f32 recordings --out cuda.csv
paste -d' ' <(tail -n +2 cpu.csv | tr , '\n') <(tail -n +2 cuda.csv | tr , '\n') | grep -v '[" ]$' >embeddings
agree embeddings 1e-3
