# Saves through a mount with R, as most people do it. usage: Rscript write.R STEP LIVE.CSV
arguments <- commandArgs(trailingOnly = TRUE)
path <- arguments[2]
rows <- read.csv(path, colClasses = c(timestamp = "character"))
more <- data.frame(timestamp = c("2020-06-27", "2020-06-28"), value = c(9.5, NA))
switch(arguments[1],
  replace = { rows$value <- rows$value * 2; write.csv(rows, path, row.names = FALSE, na = "") },
  times = { rows$timestamp <- as.POSIXct(rows$timestamp, format = "%Y-%m-%dT%H:%M:%S", tz = "UTC"); write.csv(rows, path, row.names = FALSE, na = "", quote = FALSE) },
  append = write.table(more, path, append = TRUE, sep = ",", col.names = FALSE, row.names = FALSE, na = ""),
  lines = { out <- file(path, "a"); writeLines("2020-06-29,1.25", out); close(out) },
  numbered = write.csv(rows, path, na = ""),
  stop("no such step")
)
