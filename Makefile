# SPDX-License-Identifier: Apache-2.0
.PHONY: demo test check soak bench help

help:  ## say what there is
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

demo:  ## provision and verify the emulated lab server, from nothing
	@tools/demo

test:  ## install what the tests need and run all of them
	@tools/test all

check:  ## everything that needs no lab
	@tools/test check

soak:  ## repetitions, storms, long runs
	@tools/test soak

bench:  ## ours and the peers side by side in one run, ratios with spread
	@tools/bench
