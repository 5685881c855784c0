#!/usr/bin/env bash
# Trains the embedded model by its recipe on whatever machine this is, a GPU if it has one, and scores it.
#
#   bash scripts/train_micro.sh RUN_FOLDER [--data FOLDER ...] [--score FOLDER ...] [--minutes M] [--init-checkpoint CHECKPOINT] [--stages NAME ...]
#
# From nothing, all stages, all steps; or as many steps as fit into the minutes; or only some stages, from a checkpoint.
# It needs Python with PyTorch, NumPy, SciPy, scikit-image, Pillow, tifffile, safetensors and tqdm, and no network; imagecodecs only
# for compressed TIFFs, Lightning Fabric only to use all cores of a machine without a GPU. The same command goes on where it was
# stopped. RUN_FOLDER receives weights, log, curves and scores.
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
# Worker processes draw the clips. On a GPU all cores do. On a CPU training needs them itself, and more is learnt on two by two
# processes than by one with two threads; beyond four, batches would be larger than the recipe's rates were tried with.
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
