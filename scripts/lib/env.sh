# Sourced by the verbs beside this folder: the environments that they run in, made when missing.
#
#   root                 the checkout, absolute
#   bin                  the programs of the environment .venv
#   ensure NAME          installs requirements/NAME.txt and this checkout into .venv, unless that was
#                        done; ends the verb where it cannot be
#   ensure_beside NAME   installs requirements/NAME.txt alone into .venv-NAME, unless that was done,
#                        and says whether it is there
#
# Everything said here goes to standard error; a verb's standard output belongs to the verb.
# shellcheck shell=sh

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
venv=$root/.venv
bin=$venv/bin

# A stray module on the caller's path, or a Python home of another version, must not change what runs.
unset PYTHONPATH PYTHONHOME
# And what is compiled is kept, or each of some thousand processes would compile all that it imports.
unset PYTHONDONTWRITEBYTECODE

# What an installation of the files named into $1 was made from. The environment's place counts, for
# it cannot be moved, and so does an interpreter that the caller insists on.
fingerprint() {
  printf '%s %s\n' "$1" "${DAICHO_PYTHON-}"
  shift
  cat "$@" | cksum
}

installed() { # ENVIRONMENT NAME FINGERPRINT
  [ "$(cat "$1/installed-$2" 2>/dev/null)" = "$3" ]
}

# Whether $1 is a Python from 3.11 on, below $2, that can make an environment.
suitable() {
  "$1" - "$2" >/dev/null 2>&1 <<'PYTHON'
import sys
from importlib.util import find_spec
below = tuple(map(int, sys.argv[1].split(".")))
complete = find_spec("venv") and (find_spec("ensurepip") or find_spec("pip"))
sys.exit(not ((3, 11) <= sys.version_info[:2] < below and complete))
PYTHON
}

# Prints the first suitable interpreter: one of a version that is tested, or else of a later one.
find_python() {
  if [ -n "${DAICHO_PYTHON-}" ]; then
    suitable "$DAICHO_PYTHON" 4.0 && printf '%s\n' "$DAICHO_PYTHON" && return
    echo "$0: DAICHO_PYTHON=$DAICHO_PYTHON is no Python 3.11 or later with venv and pip" >&2
    return 1
  fi
  for below in 3.14 4.0; do
    for python in python3 python python3.13 python3.12 python3.11 python3.14; do
      suitable "$python" "$below" && printf '%s\n' "$python" && return
    done
  done
  echo "$0: found no Python 3.11 or later with venv and pip;" \
    "install one, or name it in DAICHO_PYTHON" >&2
  return 1
}

ensure() {
  pins=$(fingerprint "$venv" "$root/requirements/$1.txt")
  project=$(fingerprint "$venv" "$root/pyproject.toml")
  if [ -x "$bin/python" ] && installed "$venv" "$1" "$pins" && installed "$venv" project "$project"; then
    return
  fi
  python=$(find_python) || exit 1
  "$python" "$root/scripts/lib/install.py" .venv "$1=$pins" "project=$project" >&2 || exit 1
}

# Where some of these packages come as source, what they are built with is pinned too, in
# requirements/NAME-build.txt.
ensure_beside() {
  beside=$root/.venv-$1
  pins=$(fingerprint "$beside" "$root/requirements/$1.txt")
  build=
  if [ -f "$root/requirements/$1-build.txt" ]; then
    build=$1-build=$(fingerprint "$beside" "$root/requirements/$1-build.txt")
  fi
  if [ -x "$beside/bin/python" ] && installed "$beside" "$1" "$pins" &&
    { [ -z "$build" ] || installed "$beside" "$1-build" "${build#*=}"; }; then
    return
  fi
  python=$(find_python) &&
    "$python" "$root/scripts/lib/install.py" ".venv-$1" ${build:+"$build"} "$1=$pins" >&2
}
