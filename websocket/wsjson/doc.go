// Package wsjson reads and writes messages in JSON, one value in each message.
package wsjson
