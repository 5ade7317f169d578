package main

import (
	"testing"

	"github.com/wskit/wskit/examples/frameworks/frameworktest"
)

func TestServer(t *testing.T) { frameworktest.Test(t, run) }
