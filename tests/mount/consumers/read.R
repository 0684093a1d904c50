# Reads a CSV of the mount with R, typed, and writes what it got for dumped.py to compare. usage: Rscript read.R CSV OUT
# (R reads Parquet with the packages arrow, nanoparquet or duckdb, none of which Debian 12 has.)
arguments <- commandArgs(trailingOnly = TRUE)
rows <- read.csv(arguments[1], na.strings = "", encoding = "UTF-8", check.names = FALSE, colClasses = c(
  at = "character", station = "character", f = "numeric", i = "character", s = "character", b = "character",
  d = "Date", sec = "character", us = "character", ns = "character"
))
stopifnot(is.numeric(rows$f), inherits(rows$d, "Date"), identical(rows$at, sort(rows$at)))

# Times as R has them, doubles, and back with the digits in which they are exact.
stamp <- function(texts, digits) {
  times <- as.POSIXct(texts, format = "%Y-%m-%dT%H:%M:%OS", tz = "UTC")
  stopifnot(identical(is.na(times), is.na(texts)))
  rounded <- as.POSIXct(round(as.numeric(times), digits) + 1e-5, origin = "1970-01-01", tz = "UTC")
  ifelse(is.na(times), NA, format(rounded, paste0("%Y-%m-%dT%H:%M:%OS", digits)))
}
rows$at <- stamp(rows$at, 3)
rows$sec <- sub("\\..*$", "", stamp(rows$sec, 0))
rows$d <- format(rows$d, "%Y-%m-%d")
rows$f <- ifelse(is.na(rows$f) & !is.nan(rows$f), NA, sprintf("%.17g", rows$f))
write.csv(rows, arguments[2], row.names = FALSE, na = "", fileEncoding = "UTF-8")
