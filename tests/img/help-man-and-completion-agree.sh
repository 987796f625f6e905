# Every option in a command's syntax line is in its man page section's page, and completion offers it.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
top=$(dirname "$TEST_SRC")
. "$top/scripts/completion/qemu-img"
. "$top/scripts/completion/qemu-io"
# offers FUNCTION PROGRAM WORDS...: what completion says about the last word, one a line.
offers() {
    local function=$1
    shift
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    COMPREPLY=()
    $function "$1" 2>/dev/null
    printf '%s\n' "${COMPREPLY[@]}"
}
compopt() { :; }
man=$(sed 's/\\-/-/g; s/\\f[BIRP]//g' "$top/docs/man/qemu-img.1")
"$QEMU_IMG" --help | sed -n '/^Command syntax/,/^$/s/^  //p' >lines
while read -r command syntax; do
    grep -qx ".SS $command" <<<"$man" || fail "no section on $command"
    offers _qemu_img "$QEMU_IMG" "${command:0:3}" | grep -qx "$command" || fail "completion of $command"
    for option in $(grep -oE -- '(^|[[:space:][(|])--?[[:alnum:]][[:alnum:]-]*' <<<"$syntax" | grep -oE -- '-.*'); do
        grep -qE -- "(^|[^[:alnum:]-])$option([^[:alnum:]-]|\$)" <<<"$man" || fail "man page: $command $option"
        offers _qemu_img "$QEMU_IMG" "$command" - | grep -qE -- "^$option=?\$" || fail "completion: $command $option"
    done
done <lines
offers _qemu_img "$QEMU_IMG" convert -O q | grep -qx qcow2 || fail 'formats'
offers _qemu_img "$QEMU_IMG" check -r '' | grep -qx leaks || fail 'check -r'
offers _qemu_img "$QEMU_IMG" info --output = js | grep -qx json || fail '--output=json'
touch 'some image'
offers _qemu_img "$QEMU_IMG" info so | grep -qx 'some image' || fail 'file names'
for option in $("$QEMU_IO" --help | grep -oE -- '--[a-z-]+' | sort -u); do
    grep -qe "$option" <(sed 's/\\-/-/g; s/\\f[BIRP]//g' "$top/docs/man/qemu-io.1") || fail "man page of qemu-io: $option"
    offers _qemu_io "$QEMU_IO" -- | grep -qE -- "^$option=?\$" || fail "completion of qemu-io: $option"
done
for command in $("$QEMU_IO" -c help | sed -n 's/^\([a-z_]*\) .*-- .*/\1/p'); do
    grep -qw -- "$command" <(sed 's/\\-/-/g' "$top/docs/man/qemu-io.1") || fail "man page of qemu-io: $command"
    offers _qemu_io "$QEMU_IO" -c "$command" | grep -qx "$command" || fail "completion of qemu-io: $command"
done
if command -v groff >/dev/null; then
    for page in "$top"/docs/man/qemu-img.1 "$top"/docs/man/qemu-io.1; do
        groff -man -ww -Tutf8 "$page" 2>&1 >/dev/null | grep . && fail "groff on $(basename "$page")"
    done
fi
finish
