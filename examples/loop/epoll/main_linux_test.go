package main

import (
	"testing"

	"github.com/wskit/wskit/examples/internal/program"
	"github.com/wskit/wskit/examples/loop/looptest"
)

func TestEpoll(t *testing.T) { looptest.Test(t, program.Start(t, run)) }
