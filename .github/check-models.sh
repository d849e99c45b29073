#!/usr/bin/env bash
# The check of action.yml: every model of $MODELS (one a line) against $TARGETS (one a line), with the
# further options $ARGS. Reports go to $REPORTS; annotations to standard output, where GitHub reads
# them. Exits with the worst code: 2 could not check, 1 the gate failed (docs/exit-codes.md).
set -uo pipefail

mkdir -p "$REPORTS"
: >"$REPORTS/comment.md"
echo "reports=$REPORTS" >>"$GITHUB_OUTPUT"

options=()
while IFS= read -r target; do
    target="${target#"${target%%[![:space:]]*}"}"
    [[ -n "$target" ]] && options+=(--target "$target")
done <<<"$TARGETS"
read -r -a more <<<"$ARGS"

worst=0 number=0
while IFS= read -r model; do
    model="${model#"${model%%[![:space:]]*}"}"
    [[ -z "$model" ]] && continue
    number=$((number + 1))
    report="$REPORTS/$number"
    opcheck check ${options[@]+"${options[@]}"} ${more[@]+"${more[@]}"} \
        --format github --format json --format sarif --format markdown \
        -o - -o "$report.json" -o "$report.sarif" -o "$report.md" -- "$model" 2>"$report.log"
    code=$?
    cat "$report.log" >&2
    if [[ -f "$report.md" ]]; then
        cat "$report.md" >>"$REPORTS/comment.md"
    else # nothing could be said: that must not look like nothing to say
        printf '**opcheck could not check a model (exit code %s).** See the log of this run.\n' \
            "$code" >>"$REPORTS/comment.md"
    fi
    ((code > worst)) && worst=$code
done <<<"$MODELS"

if ((number == 0)); then
    echo "::error title=opcheck::No model was named."
    exit 3
fi
[[ -n "${GITHUB_STEP_SUMMARY:-}" ]] && cat "$REPORTS/comment.md" >>"$GITHUB_STEP_SUMMARY"
exit "$worst"
