#!/usr/bin/env bash
# The check of action.yml: every model of $MODELS (one a line) against $TARGETS (one a line), with the
# further options $ARGS. Reports go to a folder in $REPORTS; annotations to standard output, where
# GitHub reads them. Exits with the worst code: 2 could not check, 1 the gate failed
# (docs/exit-codes.md).
set -uo pipefail

most=65000 # characters of a comment; GitHub takes 65,536
use=1      # in this job, which may use the action more than once: none sees another's reports
while [[ -e "$REPORTS/$use" ]]; do use=$((use + 1)); done
reports="$REPORTS/$use"
comment="$reports/comment.md" whole="$reports/summary.md"
mkdir -p "$reports" || exit 3
# The first line is how comment.sh finds the comment again: that of this job, in this leg of its
# matrix ($MATRIX, which may hold anything, as a checksum), of this use in it.
leg="$(cksum <<<"${MATRIX:-null}")"
printf '<!-- opcheck %s %s %s -->\n' "${GITHUB_JOB:-}" "${leg%% *}" "$use" >"$comment"
: >"$whole"
echo "reports=$reports" >>"$GITHUB_OUTPUT"

options=()
while IFS= read -r target; do
    target="${target#"${target%%[![:space:]]*}"}"
    [[ -n "$target" ]] && options+=(--target "$target")
done <<<"$TARGETS"
read -r -d '' -a more <<<"$ARGS" || true # of every line: it ends at the end of the text, with 1

length() { LC_ALL=C wc -c <"$1"; } # bytes: no fewer than the characters

# A model's report, or where that would be too long together, its verdict.
add() {
    cat "$1" >>"$whole"
    if (($(length "$comment") + $(length "$1") < most)); then
        cat "$1" >>"$comment"
    elif (($(length "$comment") + 1000 < most)); then
        { sed -n 1,3p "$1" | cut -c 1-400; echo; echo 'The rest is in the summary of this run.'; echo; } >>"$comment"
    fi
}

worst=0 number=0
while IFS= read -r model; do
    model="${model#"${model%%[![:space:]]*}"}"
    [[ -z "$model" ]] && continue
    number=$((number + 1))
    report="$reports/$number"
    opcheck check ${options[@]+"${options[@]}"} ${more[@]+"${more[@]}"} \
        --format github --format json --format sarif --format markdown \
        -o "$report.github" -o "$report.json" -o "$report.sarif" -o "$report.md" \
        -- "$model" 2>"$report.log"
    code=$?
    cat "$report.log" >&2
    if [[ ! -f "$report.md" ]]; then # nothing could be said: that must not look like nothing to say
        printf '### ❌ opcheck could not check a model (exit code %s)\n\nSee the log of this run.\n\n' \
            "$code" >"$report.md"
        echo "::error title=opcheck::Model $number could not be checked (exit code $code)." \
            >"$report.github"
    fi
    add "$report.md"
    ((code > worst)) && worst=$code
done <<<"$MODELS"

if ((number == 0)); then
    echo "::error title=opcheck::No model was named."
    exit 3
fi
# Every verdict before the rest: GitHub shows ten errors and ten warnings of a step.
for ((i = 1; i <= number; i++)); do sed -n 1p "$reports/$i.github"; done
for ((i = 1; i <= number; i++)); do sed 1d "$reports/$i.github"; done
[[ -n "${GITHUB_STEP_SUMMARY:-}" ]] && cat "$whole" >>"$GITHUB_STEP_SUMMARY"
exit "$worst"
