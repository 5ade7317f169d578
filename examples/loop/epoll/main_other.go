//go:build !linux

package main

import "log"

func main() { log.Fatal("epoll: Linux has it, and this system does not") }
