#!/usr/bin/env bash
# Trains the embedded model from nothing on whatever machine this is, a GPU if it has one, and scores it.
#
#   bash scripts/train_micro.sh RUN_FOLDER MINUTES [--data FOLDER ...] [--score FOLDER ...]
#
# It needs Python with PyTorch, NumPy, SciPy, scikit-image, Pillow, tifffile, safetensors and tqdm, and no network; imagecodecs only
# for compressed TIFFs. The same command goes on where it was stopped. RUN_FOLDER receives weights, log, curves and scores.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
run=${1:?folder of the run} minutes=${2:?minutes}
shift 2
data=() score=() into=data
for word in "$@"; do
  case $word in
    --data) into=data ;;
    --score) into=score ;;
    *) if [ "$into" = data ]; then data+=("$word"); else score+=("$word"); fi ;;
  esac
done

export PYTHONPATH="$here/src" PYTHONUNBUFFERED=1
# Worker processes draw the clips: on a GPU all cores do, on a CPU training needs them itself.
if python3 -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
  workers=$(($(nproc) > 1 ? $(nproc) - 1 : 1)) batch=8
else
  workers=1 batch=1
fi
sam2() { python3 -m napari_sam2.cli.main "$@"; }

sam2 train --recipe micro "$run" --minutes "$minutes" --workers "$workers" --batch-factor "$batch" ${data[@]+--data "${data[@]}"}
if [ ${#score[@]} -gt 0 ]; then
  sam2 evaluate --model "$run/micro.safetensors" --json "$run/scores.json" "${score[@]}" | tee "$run/scores.txt"
fi
