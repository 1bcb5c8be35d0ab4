# Shortcuts; `go build .` and `go test ./...` need none of them.
PKG := github.com/prometheus/common/version
VERSION := $(shell sed -n 's/^## \([0-9][^ ]*\).*/\1/p' CHANGELOG.md | head -1)
REVISION := $(shell git rev-parse --short HEAD 2>/dev/null)
BRANCH := $(shell git rev-parse --abbrev-ref HEAD 2>/dev/null)
# The date of the commit, so that the same commit gives the same binary.
DATE := $(shell git log -1 --format=%cd --date=format-local:%Y%m%d-%H:%M:%S 2>/dev/null)
LDFLAGS := -s -w -X $(PKG).Version=$(VERSION) -X $(PKG).Revision=$(REVISION) -X $(PKG).Branch=$(BRANCH) -X $(PKG).BuildDate=$(DATE)

.PHONY: build test lint attack years ci live bench accessible screenshots deb release reproducible
build: ## a static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o active_users_exporter .

test: ## everything that can run here
	go test -race ./...

lint: ## the linters of CI
	go build -C .ci/tools/golangci-lint -o $(CURDIR)/dist/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	dist/golangci-lint run ./...
	.ci/prose

attack: ## five minutes of an attack on the receiver of reports, while homeservers report
	ACTIVE_USERS_TEST_ATTACK=5m go test -count=1 -timeout=30m -v -run=TestAttack ./test

years: ## 200 simulated years full of bad days, of which the ordinary tests live two: some twenty minutes of a processor; YEARS=n for more or fewer
	GOGC=400 ACTIVE_USERS_TEST_YEARS=$${YEARS:-200} go test -count=1 -timeout=12h -v -run=TestYears ./test/years

ci: ## all of what CI does; installs Debian packages
	bash .ci/run

live: ## compares with the newest real chat servers while they run; on Debian, as root; writes the table in docs/reliability.md
	test/live/run --write

bench: ## all benchmarks, at their small sizes: a table of ratios, which docs/benchmarks.md explains
	@mkdir -p dist
	@go test -run='^$$' -bench=. -benchtime=3x -count=1 ./... >dist/bench.txt 2>&1 || { cat dist/bench.txt; exit 1; }
	@awk '/^Benchmark/ { sub(/-[0-9]+$$/, "", $$1); for (i = 3; i < NF; i += 2) if ($$i != 0 || $$(i+1) != "ns/op") printf "%-34s %-28s %10s\n", $$1, $$(i+1), $$i } /SKIP/' dist/bench.txt

accessible: build ## axe-core looks at the pages; downloads it with npm
	.ci/axe/look ./active_users_exporter

screenshots: build ## pictures of the dashboards in docs/; downloads Grafana's components with npm
	.ci/panels/draw ./active_users_exporter docs

deb: ## a Debian package of the last commit for this machine, in dist/
	packaging/release dist $$(go env GOARCH)

release: ## archives, Debian packages, lists of parts and SHA256SUMS, in dist/
	packaging/release dist

reproducible: ## builds the release of the last commit twice and compares
	packaging/reproducible
