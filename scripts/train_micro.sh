#!/usr/bin/env bash
# Trains the embedded model by its recipe on this machine, on a GPU if there is one, and scores it.
#
#   bash scripts/train_micro.sh RUN_FOLDER [--data FOLDER ...] [--score FOLDER ...] [--minutes M]
#       [--init-checkpoint CHECKPOINT] [--stages NAME ...]
#
# By default from random weights, in all training stages, with all steps; --minutes fits the number of steps to a duration, and
# --init-checkpoint and --stages continue from existing weights, in some of the stages.
# It needs Python with PyTorch, NumPy, SciPy, scikit-image, Pillow, tifffile, safetensors and tqdm, and no network; imagecodecs only
# for compressed TIFFs, Lightning Fabric only to use all cores of a machine without a GPU. The same command resumes a
# stopped run. Weights, log, curves and scores are written to RUN_FOLDER.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
run=${1:?folder of the run}
shift
options=() score=() into=options
for word in "$@"; do
  case $word in
    --score) into=score ;;
    --*) into=options options+=("$word") ;;
    *) if [ "$into" = score ]; then score+=("$word"); else options+=("$word"); fi ;;
  esac
done

export PYTHONPATH="$here/src" PYTHONUNBUFFERED=1
has() { python3 -c "$1" 2>/dev/null; }
# Data-loading workers draw the clips, on all cores if there is a GPU. On a CPU the cores are needed for the training itself, where two
# processes are more effective than one with two threads; with more than four, batches exceed those of the recipe's learning rates.
if has 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
  where=(--workers $(($(nproc) > 1 ? $(nproc) - 1 : 1)) --batch-factor 8)
elif [ "$(nproc)" -gt 1 ] && has 'import lightning_fabric'; then
  where=(--devices "$(($(nproc) < 4 ? $(nproc) : 4))")
else
  where=()
fi
sam2() { python3 -m napari_sam2 "$@"; }

sam2 train --recipe micro "$run" ${where[@]+"${where[@]}"} ${options[@]+"${options[@]}"}
if [ ${#score[@]} -gt 0 ]; then
  sam2 evaluate --model "$run/micro.safetensors" --json "$run/scores.json" "${score[@]}" | tee "$run/scores.txt"
fi
