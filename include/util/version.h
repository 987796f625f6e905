/*
 * The version that programs report: of the peer whose language they speak, and our name.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_VERSION_H
#define UTIL_VERSION_H

#define PEER_VERSION_MAJOR 7
#define PEER_VERSION_MINOR 2
#define PEER_VERSION_MICRO 50
#define PEER_VERSION "7.2.50"
#define PACKAGE_NAME "Stillframe"

#endif
