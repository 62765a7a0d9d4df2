#!/usr/bin/env bash
# Install Tesseract with English and German, where we may; otherwise say exactly what to install.
set -euo pipefail
PACKAGES="tesseract-ocr tesseract-ocr-eng tesseract-ocr-deu"

present() {
    command -v tesseract >/dev/null || return 1
    for language in eng deu; do tesseract --list-langs 2>/dev/null | grep -qx "$language" || return 1; done
}

present && exit 0
if command -v apt-get >/dev/null; then
    as_root=""
    if [ "$(id -u)" != 0 ]; then sudo -n true 2>/dev/null && as_root="sudo -n" || as_root="none"; fi
    if [ "$as_root" != none ]; then
        echo "Installing $PACKAGES"
        $as_root apt-get update -qq
        DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $PACKAGES >/dev/null
        present && exit 0
    fi
fi
cat >&2 <<TEXT
Tesseract with English and German is missing, and it could not be installed from here. Install it, then run make again:
  Debian, Ubuntu:  sudo apt-get install $PACKAGES
  macOS:           brew install tesseract tesseract-lang
  Windows:         https://github.com/UB-Mannheim/tesseract/wiki (choose German)
TEXT
exit 1
