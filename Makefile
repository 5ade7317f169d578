# Everything that can be done here. CI runs the same targets.

GO        ?= go
MODULES   := . websocket/wspb wsh3 hub contrib/prometheus contrib/otel cmd examples bench fuzz
MODULES   += hub/natsbroker hub/redisbroker examples/cluster bench/hub
PLATFORMS ?= windows/amd64 darwin/arm64 freebsd/amd64 js/wasm
KERNELS    = $(shell $(GO) list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./internal/... | grep -v -e /repo -e /mutants -e /child) ./ws ./wsutil ./wsflate
FUZZTIME  ?= 30000x
SOAK      ?= 1m
INTEROP   ?= -count=1 -v
MUTANTS   ?= -sample 100 wsutil/protocol*.go
BENCH     ?= .
BENCHTIME ?= 20ms
BENCHREADME := HeaderParse|HeaderAppend|Mask$$|Valid$$|UnmaskText|Handshake|Message|Flate/content=json/size=(512|4096)
COUNT     ?= 6
README    ?= $(CURDIR)/README.md
DOCS      ?= $(CURDIR)/docs
SAMPLES   ?= $(CURDIR)/docs/wskit.md

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
BENCHSTAT   := golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## start wskit serve: echo, chat, broadcast and a page, on http://127.0.0.1:8080 or ADDR (host:port)
	cd cmd && $(GO) run ./wskit serve $(if $(ADDR),--addr '$(ADDR)')

.PHONY: test
test: ## test all modules
	@for m in $(MODULES); do echo "== test $$m" && (cd $$m && $(GO) test ./...) || exit 1; done

.PHONY: race
race: ## test all modules under the race detector, except the tests that run other programs or read the sources
	@for m in $(MODULES); do echo "== race $$m" && (cd $$m && \
		$(GO) test -race -short $$($(GO) list ./... | grep -v -e /interop -e '/cmd/wskit$$' -e /bench/conformance -e /internal/repo -e /internal/mutants)) || exit 1; done

.PHONY: portable
portable: ## test the root module on 386, what has assembly below it without any, and wsloop on an emulated kqueue
	@if CGO_ENABLED=0 GOARCH=386 $(GO) test -run '^$$' ./internal/framing >/dev/null 2>&1; then \
		echo "== 386" && CGO_ENABLED=0 GOARCH=386 $(GO) test -short ./...; \
	else \
		echo "== arm in place of 386, which this kernel does not run" && \
		CGO_ENABLED=0 GOARCH=386 $(GO) vet ./... && \
		CGO_ENABLED=0 GOARCH=arm $(GO) test -short -exec qemu-arm ./httphead $(KERNELS); \
	fi
	$(GO) test -short -tags purego $(KERNELS)
	@if [ "$$($(GO) env GOOS)" = linux ]; then echo "== kqueue, emulated" && $(GO) test -short -tags kqueue ./wsloop; fi

.PHONY: emulated
emulated: ## test the kernels on arm64, and all below the connection on big-endian s390x, with qemu-user
	CGO_ENABLED=0 GOARCH=arm64 $(GO) test -short -exec qemu-aarch64 ./internal/mask ./internal/utf8s ./ws
	CGO_ENABLED=0 GOARCH=s390x $(GO) test -short -exec qemu-s390x ./httphead $(KERNELS)

.PHONY: cross
cross: ## build and vet for the other platforms, or for PLATFORMS
	@for p in $(PLATFORMS); do \
		echo "== $$p"; GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0 $(GO) vet ./... || exit 1; \
	done
	cd cmd && GOOS=windows $(GO) vet ./...
	cd examples && GOOS=windows $(GO) vet $$($(GO) list ./... | grep -v -e /frameworks/ -e /mqtt -e /metrics)
	cd examples && GOOS=js GOARCH=wasm $(GO) vet ./browser/... ./interop/browser

.PHONY: lint
lint: ## gofmt, vet, staticcheck and go mod tidy, over all modules
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "gofmt: $$out"; exit 1; }
	@for m in $(MODULES); do echo "== lint $$m" && (cd $$m && \
		$(GO) vet ./... && $(GO) run $(STATICCHECK) ./... && $(GO) mod tidy -diff) || exit 1; done

.PHONY: fuzz
fuzz: ## fuzz every target, FUZZTIME inputs each (30000x), or for that time (1m)
	@GO=$(GO) scripts/fuzz $(FUZZTIME)

.PHONY: mutants
mutants: ## change the code in one place at a time, and see that the tests notice; MUTANTS has flags and files
	$(GO) run ./internal/mutants $(MUTANTS)

.PHONY: conformance
conformance: ## run the conformance suite against this project, in every assembly
	cd bench && $(GO) run ./conformance -agents wskit

.PHONY: conformance-report
conformance-report: interop-deps ## the same beside the alternatives, and write docs/conformance.md and .html
	cd bench && $(GO) run ./conformance -limit 16777216 -docs $(DOCS) -json $(DOCS)/conformance.json

.PHONY: autobahn
autobahn: ## run the Autobahn testsuite against every assembly, if its command wstest is installed
	cd examples && $(GO) run ./autobahn $(AUTOBAHN)

.PHONY: soak
soak: ## open, use and kill connections for SOAK (1m), and see that nothing is left
	$(GO) test -count=1 -v -run '^TestSoak$$' ./websocket/wstest -args -soak=$(SOAK) -soak.conns=1000

.PHONY: bench
bench: ## run the benchmarks beside the code, and those beside the alternatives as a table with ratios
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem ./...
	cd bench && $(GO) run ./report -count $(COUNT) -benchtime $(BENCHTIME)

.PHONY: bench-report
bench-report: ## the same beside the alternatives, and write the table into README.md
	cd bench && $(GO) run ./report -count $(COUNT) -benchtime $(BENCHTIME) -bench '$(BENCHREADME)' -readme $(README)

.PHONY: bench-echo
bench-echo: ## echo over loopback, one core for the server, beside bare TCP and the alternatives
	cd bench && $(GO) run ./echo $(ECHO)

.PHONY: bench-loop
bench-loop: ## servers with very many connections beside each other; writes docs/performance-loop.md; LOOP has flags
	cd bench && $(GO) run ./loops -o $(DOCS)/performance-loop.md $(LOOP)

.PHONY: bench-idle
bench-idle: ## memory of idle connections, beside the alternatives
	cd bench && $(GO) run ./idle $(IDLE)

.PHONY: bench-guard
bench-guard: ## compare the speed of the files as they are with main, and fail on more than 5 % in a row; GUARD has flags
	cd bench && $(GO) run ./guard $(GUARD)

.PHONY: bench-http
bench-http: ## echo over HTTP/1.1, HTTP/2 and HTTP/3 beside handlers without WebSockets; writes docs/performance-http.md
	cd bench && $(GO) run ./http -out $(DOCS)/performance-http.md $(HTTP)

.PHONY: bench-hub
bench-hub: ## hubs beside the alternatives, and brokers between nodes; writes docs/performance-hub.md; HUB has flags
	cd bench/hub && $(GO) run . -write $(DOCS)/performance-hub.md $(HUB)

.PHONY: samples
samples: ## run each subcommand of wskit, and write what it prints into docs/wskit.md, or into the page SAMPLES
	@GO=$(GO) scripts/samples $(SAMPLES)

.PHONY: dist
dist: ## build the archives of a release into dist/: six platforms, man pages, completions, SHA-256 sums; DIST has flags
	cd cmd && $(GO) run ./dist -go $(GO) $(DIST)

.PHONY: release
release: ## check that VERSION (v1.2.3) can be released, and print the commands for it; pushes nothing
	@scripts/release '$(VERSION)'

.PHONY: interop-deps
interop-deps: ## install the peers of the interop tests: Chromium, Firefox, packages of Node and Python, proxies
	examples/interop/install

.PHONY: interop
interop: interop-deps ## run real peers against our server and our client
	cd examples && CI=true $(GO) test $(INTEROP) ./interop

.PHONY: ci
ci: ## all that CI does
	bash .ci/run
