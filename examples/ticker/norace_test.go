//go:build !race

package ticker

const most = 9000
