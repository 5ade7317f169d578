// Command hello looks names up, as a program does that is built with cgo if it can be.
package main

import (
	"fmt"
	"os/user"
)

func main() {
	u, err := user.Current()
	fmt.Println(u, err)
}
