//go:build !linux

package main

import "log"

func main() { log.Fatal("hub: the clients need epoll, which is part of Linux") }
