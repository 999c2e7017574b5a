# Everything here is a script below dev/ or benches/; this file only names the common ones.
.PHONY: help demo test bench conform stop setup

help:  ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo:  ## PostgreSQL under write load, through Kafka, into OpenSearch, on this machine; `make stop` ends it
	@dev/setup && dev/demo

test:  ## every check and test, with real servers that it starts and stops: what .ci/run runs
	@dev/setup </dev/null && dev/test

conform:  ## compare with the real Debezium's recordings, and write docs/conformance.md
	@dev/conform-all --write

bench:  ## measure beside pg_recvlogical and the real Debezium, and write docs/performance.md
	@dev/setup --bench && benches/run

setup:  ## install what building and testing need, where it is missing
	@dev/setup

stop:  ## end the demo and every server that the scripts started, and delete their data
	@dev/demo --stop && dev/stop
