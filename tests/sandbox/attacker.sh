# Words for attacks: what must fail says so when it succeeds.
won() { "$@" && echo BREA''CHED; }
opens() { for file in "$@"; do (: >> "$file") && echo BREA''CHED; done; }
py() { python3 attacker.py "$@"; }
