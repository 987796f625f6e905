# Unknown options, missing arguments and operands: the same words and exit codes as stock, for every command.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
# (measure answers an unknown option with the help text and success: left out on purpose)
usage_errors() {
    run_both
    run_both nonsense
    run_both -x
    run_both --nonsense
    run_both -T
    run_both -T no-such-event info missing
    for c in create info check convert compare map snapshot bench commit rebase amend dd bitmap; do
        # (--output of snapshot is ours)
        [ $c = snapshot ] || run_both $c --output=nonsense missing
        for args in '' --nonsense -Z -qZ -f --object --image-opts=3 'missing' 'a b c d e' '-f nonsense missing' \
                    '--image-opts -f raw missing' '--image-opts foo=bar' \
                    '--object nonsense missing' '--object secret,id=a missing' '--object iothread,id=a missing' \
                    '--object help' '-t nonsense missing' '-T nonsense missing'; do
            run_both $c $args
        done
    done
    for args in '' a 'a b c' '-f raw x' '--nonsense x +1M' '--preallocation=foo x +1M' 'x foo' 'x +foo' 'x +'; do
        run_both resize $args
    done
    for args in '' 'a b' '--size 1 a' '-f raw' '-f raw --size 1' '--size x' '--size 9E' '--output=foo --size 1'; do
        run_both measure $args
    done
}
usage_errors
finish
