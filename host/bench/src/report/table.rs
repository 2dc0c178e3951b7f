//! The report as text, for the terminal.

use std::fmt;

use super::Report;

impl Report {
    fn write_rates(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.rates.is_empty() {
            writeln!(
                formatter,
                "\nlatency of single rows that arrive at a rate, from their planned arrival; us\n{:<10} {:<34} {:>10} {:>12} {:>12}",
                "", "", "rows a s", "median", "p99"
            )?;
        }
        for one in &self.rates {
            write!(
                formatter,
                "{:<10} {:<34} {:>10.0} ",
                one.kind, one.contender, one.rate
            )?;
            match &one.latency {
                Some(latency) => writeln!(
                    formatter,
                    "{:>12.2} {:>12.2}",
                    latency.median_us, latency.p99_us
                )?,
                None => writeln!(formatter, "not held: {:.0} reached", one.reached)?,
            }
        }
        Ok(())
    }

    fn write_energy(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(reason) = &self.energy.reason {
            return writeln!(formatter, "\nno energy: {reason}");
        }
        writeln!(formatter, "\nenergy of the whole processor package")?;
        for one in &self.measured {
            if let Some(energy) = one.energy {
                writeln!(
                    formatter,
                    "{:<10} {:<34} {:>6} {:>12.4} J for 1,000 rows {:>8.1} W",
                    one.kind, one.contender, one.batch, energy.joules_per_1000_rows, energy.watts
                )?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (machine, model) = (&self.machine, &self.model);
        writeln!(
            formatter,
            "{}: {} multiplications a row",
            model.name, model.macs
        )?;
        writeln!(
            formatter,
            "measured on {}, {} processors, load {:.1}; medians of {} rounds",
            machine
                .processor
                .as_deref()
                .unwrap_or("an unknown processor"),
            machine.processors,
            machine.load_average.unwrap_or(f64::NAN),
            self.method.rounds
        )?;
        if machine.is_busy() {
            writeln!(
                formatter,
                "others used the machine too: measured figures are longer than they need be"
            )?;
        }
        writeln!(
            formatter,
            "simulated: cycles / clock + link ({})\n",
            self.link.name
        )?;
        writeln!(
            formatter,
            "{:<10} {:<34} {:>6} {:>12} {:>12} {:>12}",
            "", "", "batch", "us a batch", "us a row", "rows a s"
        )?;
        for figure in self.figures() {
            writeln!(
                formatter,
                "{:<10} {:<34} {:>6} {:>12.2} {:>12.3} {:>12.0}",
                figure.kind,
                figure.contender,
                figure.batch,
                figure.median_us,
                figure.median_us / figure.batch as f64,
                figure.rows_per_second
            )?;
        }
        self.write_rates(formatter)?;
        self.write_energy(formatter)?;
        if !self.overhead.is_empty() {
            writeln!(
                formatter,
                "\nfrom submission to completion with a device in memory, which answers at once; ns"
            )?;
            for one in &self.overhead {
                writeln!(
                    formatter,
                    "{:<10} {:<34} {:>19.0} median {:>8.0} p99",
                    one.kind,
                    one.contender,
                    one.timing.median_us * 1e3,
                    one.timing.p99_us * 1e3
                )?;
            }
            writeln!(formatter)?;
        }
        for one in self.agreement.iter().filter(|one| one.differing > 0) {
            writeln!(
                formatter,
                "{} differs from the CPU backend in {} of {} values (batch {}), by {} steps at most",
                one.contender, one.differing, one.values, one.batch, one.greatest_difference
            )?;
        }
        for one in &self.not_available {
            let batch = one
                .batch
                .map(|batch| format!(", batch {batch}"))
                .unwrap_or_default();
            writeln!(
                formatter,
                "not available: {}{batch}: {}",
                one.contender, one.reason
            )?;
        }
        Ok(())
    }
}
