#!/usr/bin/env bash
# The comment of action.yml: one for each job (leg of a matrix, use in it) on the pull request
# $NUMBER, written anew by every run. It is found by its first line, and only among the comments of
# bots: nobody else's is touched.
set -euo pipefail

body="$REPORTS/comment.md"
marker="$(sed -n 1p "$body")"
comments="repos/$GITHUB_REPOSITORY/issues/$NUMBER/comments"
refused() { # the token of a fork's pull request may not write
    echo "::warning title=opcheck::The comment could not be written; the report is in the run's summary."
    exit 0
}
id="$(
    MARKER="$marker" gh api --paginate "$comments" --jq \
        '.[] | select(.user.type == "Bot" and (.body | startswith(env.MARKER))) | .id' | tail -n 1
)" || refused
if [[ -n "$id" ]]; then
    gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$id" -F "body=@$body" || refused
else
    gh api --silent --method POST "$comments" -F "body=@$body" || refused
fi
