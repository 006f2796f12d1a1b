# Run `make` for a list of what there is.

FUZZTIME ?= 2m

.PHONY: help test race fuzz bench lint cover h2spec interop check

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' Makefile

test: ## run the tests
	go test ./...

race: ## run the tests with the race detector
	go test -race ./...

fuzz: ## fuzz every target, FUZZTIME (2m) each
	bash .ci/fuzz $(FUZZTIME)

bench: ## compare with other libraries; prints a table of ratios
	cd bench && go run . run

lint: ## check formatting, vet and staticcheck, in every module
	bash .ci/lint

cover: ## check that every statement of the core is tested
	bash .ci/cover

h2spec: ## run the cases of h2spec, and keep the reports in bin
	bash .ci/h2spec

interop: ## run the tests against real peers, installing those that are missing
	bash .ci/interop

check: ## everything, as it runs for every change
	bash .ci/run
